"""What happens to one image on the host: decode, resize, crop, re-encode. uint8 [h, w, 3] RGB."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import numpy as np
from PIL import Image

from input_pipeline.errors import UserError
from input_pipeline.images import png_damage
from input_pipeline.images.claimed_size import check_claim
from input_pipeline.images.codecs import PILLOW_ERRORS, fast_pixels, known_layout, layout_of
from input_pipeline.images.essentials import completed, pixels_only
from input_pipeline.images.isolated import decode_isolated, describe_isolated
from input_pipeline.images.jpeg_damage import check_scans
from input_pipeline.images.kinds import (
    isolated_kind,
    why_not_opened,
    why_not_read,
    without_directory,
)
from input_pipeline.images.missing_pixels import check_rows, incomplete, share_missing
from input_pipeline.images.orientation import as_stored
from input_pipeline.images.plugins import open_as, stored_size, turned_by_pillow
from input_pipeline.images.problems import (
    ImageTooLargeError,
    TooManyPixelsError,
    UnreadableImageError,
)
from input_pipeline.images.rgb import to_rgb

Pixels = TypeVar("Pixels", bound=Any)  # an array of numpy or JAX

# Phones have cameras of 200 million pixels; as RGB these are 600 MB.
MAX_PIXELS = 250_000_000
DELIVERIES = ("clean", "web", "hard")
RESIZE_MODES = ("squash", "short_side")
SMALL_IMAGES = ("reflect", "tile")
_MAX_SIDE = {"JPEG": 65_500, "WebP": 16_383}  # pixels, the limits of libjpeg and of the format

# Formats of images that people and generators publish. Pillow knows more, among them EPS, which it
# hands to an interpreter: not for files of unknown origin.
_FORMATS = ("PNG", "JPEG", "MPO", "WEBP", "GIF", "BMP", "TIFF", "PPM", "TGA", "JPEG2000")
_STORED = ("BMP", "TIFF", "PPM", "TGA")  # those that may keep pixels as they are

# (long edge in pixels, JPEG quality)
_DELIVERY_SETTINGS = {"web": (1024, 75), "hard": (512, 40)}


def decode(
    data: bytes | memoryview, *, max_pixels: int = MAX_PIXELS, out: np.ndarray | None = None
) -> np.ndarray:
    """Decodes an image file to uint8 [h, w, 3] RGB.

    Pixels are taken as stored: an EXIF orientation is ignored, grey and palette images become RGB,
    CMYK is converted by Pillow's formula, of an animation the first frame counts. Samples of more
    than 8 bits are scaled by their own range, and transparent pixels laid on a ground: `rgb.to_rgb`
    says how. A file whose pixels are whole is decoded, whatever else it lacks; one with missing or
    corrupt pixels is refused. The size is checked before any pixel is decoded. Pixels are Pillow's,
    also where another library decodes them, see `codecs.fast_pixels`.

    Args:
      data: the bytes of the file.
      max_pixels: most pixels (height * width) that are accepted.
      out: contiguous uint8 [h, w, 3] that may be used for the result if it has its shape; if the
        result is another array, `out` may hold anything.

    Raises:
      UnreadableImageError: with the reason.
    """
    with named_reasons(data):
        if isolated_kind(data):
            return decode_isolated(data, max_pixels)
        layout = known_layout(data)
        if layout is None:
            data = pixels_only(data)
            image = _open(data)
            _check_size(stored_size(image), max_pixels)
            check_claim(data, stored_size(image), image)
            layout = layout_of(image, data)
        else:
            _check_size(layout.size, max_pixels)
            check_claim(data, layout.size)
        pixels = None if layout is None else fast_pixels(layout, data, out)
        if pixels is None:
            return _by_pillow(completed(pixels_only(data)))
        if layout is not None and layout.is_progressive:
            check_scans(data)
        return pixels


def size_of(data: bytes | memoryview) -> tuple[int, int]:
    """Returns the height and width that the header of an image file tells; fails as `decode`."""
    with named_reasons(data):
        if isolated_kind(data):
            described = describe_isolated(data, MAX_PIXELS)
            return described["height"], described["width"]
        layout = known_layout(data)
        width, height = stored_size(_open(pixels_only(data))) if layout is None else layout.size
        _check_size((width, height), MAX_PIXELS)
        return height, width


@contextmanager
def named_reasons(data: bytes | memoryview) -> Iterator[None]:
    """Turns what image libraries raise on a file into `UnreadableImageError` with a reason."""
    if not data:
        raise UnreadableImageError("empty file")
    try:
        yield
    except UnreadableImageError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        most = f"{2 * (Image.MAX_IMAGE_PIXELS or 0) // 10**6} megapixels"
        raise TooManyPixelsError(
            f"too large: of this format Pillow reads at most {most}; save it as PNG or JPEG"
        ) from error
    except Image.UnidentifiedImageError as error:
        raise UnreadableImageError(why_not_opened(data)) from error
    except PILLOW_ERRORS as error:
        detail = str(error) or type(error).__name__
        raise UnreadableImageError(without_directory(data) or f"damaged image: {detail}") from error


def resize_to(image: np.ndarray, size: int, mode: str = "squash") -> np.ndarray:
    """Resizes by PIL's antialiased bilinear filter; an image of that size is returned as it is.

    Args:
      image: uint8 [h, w, 3].
      size: pixels.
      mode: of `RESIZE_MODES`: 'squash' to [size, size, 3] without keeping the aspect, or
        'short_side', which keeps it; the long side is rounded down, as torchvision's does.
    """
    height, width = image.shape[:2]
    shape = (size, size)
    if mode == "short_side":
        long_side = int(size * max(height, width) / min(height, width))
        shape = (size, long_side) if height <= width else (long_side, size)
    return image if (height, width) == shape else resize(image, *shape)


def resize(
    image: np.ndarray, height: int, width: int, resample: int = Image.Resampling.BILINEAR
) -> np.ndarray:
    """Resizes to [height, width, 3] by a PIL filter, antialiased."""
    return np.asarray(Image.fromarray(image).resize((width, height), resample))


def centre_crop(image: np.ndarray, size: int, small_images: str = "reflect") -> np.ndarray:
    """Returns the central [size, size, 3]; a smaller image is first enlarged, see `enlarge`."""
    image = enlarge(image, size, small_images)
    # Rounded as torchvision's CenterCrop, which the recipes of this field use.
    top = round((image.shape[0] - size) / 2)
    left = round((image.shape[1] - size) / 2)
    return image[top : top + size, left : left + size]


def cut_to_multiple(images: Pixels, pixels: int) -> Pixels:
    """The largest part ``[..., h, w, c]`` from the top left whose sides are multiples of `pixels`.

    Any array of images or of one; what is cut are rows at the bottom and columns at the right.
    """
    height, width = images.shape[-3:-1]
    return images[..., : height // pixels * pixels, : width // pixels * pixels, :]


def random_crop(
    image: np.ndarray, size: int, rng: np.random.Generator, small_images: str = "reflect"
) -> np.ndarray:
    """Returns a random [size, size, 3]; a smaller image is first enlarged, see `enlarge`."""
    image = enlarge(image, size, small_images)
    top, left = crop_corner(image.shape[0], image.shape[1], size, rng)
    return image[top : top + size, left : left + size]


def crop_corner(height: int, width: int, size: int, rng: np.random.Generator) -> tuple[int, int]:
    """Draws the top left corner of a crop, uniformly; 0 along an axis shorter than `size`."""
    top = int(rng.integers(0, max(height - size, 0) + 1))
    left = int(rng.integers(0, max(width - size, 0) + 1))
    return top, left


def random_crop_after_jpeg(
    image: np.ndarray, size: int, quality: int, rng: np.random.Generator, small: str = "reflect"
) -> np.ndarray:
    """Returns `random_crop` of `jpeg(image, quality)`, encoding only what the crop needs.

    JPEG works on blocks of 16 x 16 pixels (4:2:0) and blends colour over one sample beyond them, so
    a window on that grid with one more block on every side gives the same pixels.
    """
    height, width = image.shape[:2]
    if min(height, width) < size:
        return random_crop(jpeg(image, quality), size, rng, small)
    top, left = crop_corner(height, width, size, rng)
    first_row, first_column = (max(0, edge // 16 - 1) * 16 for edge in (top, left))
    last_row, last_column = ((edge + size) // 16 * 16 + 32 for edge in (top, left))
    window = jpeg(image[first_row:last_row, first_column:last_column], quality)
    top, left = top - first_row, left - first_column
    return window[top : top + size, left : left + size]


def enlarge(image: np.ndarray, size: int, how: str) -> np.ndarray:
    """Enlarges without resampling until neither edge is below `size` pixels.

    Args:
      image: uint8 [h, w, 3], returned as it is if it is large enough.
      size: pixels.
      how: 'reflect' pads evenly on both sides; 'tile' repeats the image, whole copies from the top
        left, as GenImage's protocol does (Zhu et al., NeurIPS 2023) before its centre crop.
    """
    missing = [max(size - edge, 0) for edge in image.shape[:2]]
    if not any(missing):
        return image
    if how == "tile":
        return np.tile(image, (*(-(-size // edge) for edge in image.shape[:2]), 1))
    widths = [(gap // 2, gap - gap // 2) for gap in missing]
    return np.pad(image, [*widths, (0, 0)], mode="reflect")


def jpeg(image: np.ndarray, quality: int) -> np.ndarray:
    """Returns the image after one trip through PIL's JPEG (4:2:0) at this quality, 1 to 100."""
    return _saved(image, "JPEG", quality, subsampling="4:2:0")


def jpeg_by_opencv(image: np.ndarray, quality: int) -> np.ndarray:
    """Returns the image after one trip through OpenCV's JPEG (4:2:0) at this quality, 1 to 100."""
    import cv2  # here, so that scoring does without it

    _check_encoding(image, quality, "JPEG")
    bgr = np.ascontiguousarray(image[:, :, ::-1])
    _, data = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, int(quality)])
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR))[:, :, ::-1]


def webp(image: np.ndarray, quality: int) -> np.ndarray:
    """Returns the image after one trip through PIL's lossy WebP at this quality, 1 to 100."""
    return _saved(image, "WebP", quality)


def _saved(image: np.ndarray, name: str, quality: int, **options: str) -> np.ndarray:
    _check_encoding(image, quality, name)
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, name, quality=int(quality), **options)
    return np.asarray(Image.open(buffer))


def deliver(image: np.ndarray, how: str) -> np.ndarray:
    """Returns the image as it arrives through a channel.

    Args:
      image: uint8 [h, w, 3].
      how: 'clean' (unchanged), 'web' (long edge at most 1024 pixels, JPEG quality 75) or 'hard'
        (long edge at most 512, JPEG quality 40). Images are made smaller by PIL's bicubic filter,
        never larger.

    Raises:
      ValueError: `how` is none of these.
    """
    if how not in DELIVERIES:
        raise UserError(f"delivery is {how!r}; allowed are {DELIVERIES}.")
    if how == "clean":
        return image
    edge, quality = _DELIVERY_SETTINGS[how]
    height, width = image.shape[:2]
    scale = edge / max(height, width)
    if scale < 1:
        height, width = (max(1, round(side * scale)) for side in (height, width))
        image = resize(image, height, width, Image.Resampling.BICUBIC)
    return jpeg(image, quality)


def _check_encoding(image: np.ndarray, quality: int, name: str) -> None:
    if not 1 <= quality <= 100:
        raise UserError(f"{name} quality is {quality}; allowed is 1 to 100.")
    height, width = image.shape[:2]
    if max(height, width) > _MAX_SIDE[name]:
        raise ImageTooLargeError(
            f"an image of {height} x {width} pixels cannot be saved as {name}, which holds at most "
            f"{_MAX_SIDE[name]} a side. Make it smaller (data.resize), or do without re-encoding."
        )


def open_image(data: bytes | memoryview) -> Image.Image:
    """Opens a file for what its header tells; its pixels may be damaged, its metadata unread.

    Raises:
      UnreadableImageError: it is of a kind that is not read; or what Pillow raises.
    """
    try:
        return _open(data)
    except (UnreadableImageError, Image.UnidentifiedImageError):
        raise
    except PILLOW_ERRORS:  # Pillow refuses metadata that are too large
        return _open(pixels_only(data))


def _open(data: bytes | memoryview) -> Image.Image:
    """As `Image.open`, with a limit on pixels of our own (`_check_size`) instead of Pillow's."""
    if reason := why_not_read(data):
        raise UnreadableImageError(reason)
    return open_as(data, _FORMATS)


def _check_size(size: tuple[int, int], max_pixels: int) -> None:
    width, height = size
    if width < 1 or height < 1:
        raise UnreadableImageError(f"no pixels: {width} x {height}")
    if width * height > max_pixels:
        raise TooManyPixelsError(
            f"too large: {width} x {height} is more than {int(max_pixels)} pixels "
            "(--max_megapixels)"
        )


def _by_pillow(data: bytes | memoryview) -> np.ndarray:
    image = _open(data)
    kind, turned = image.format, turned_by_pillow(image)
    try:
        pixels = as_stored(to_rgb(image, lambda: _open(data)), turned)
    except UnreadableImageError:
        raise
    except PILLOW_ERRORS as error:
        is_png = png_damage.is_png(data)
        share = png_damage.share_missing(data) if is_png else share_missing(lambda: _open(data))
        raise incomplete(str(error) or type(error).__name__, share) from error
    if kind in _STORED and image.mode != "1":  # every row of a drawing may end in black
        check_rows(pixels)
    return pixels
