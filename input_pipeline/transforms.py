"""What happens to one image on the host: decode, resize, crop, re-encode. uint8 [h, w, 3] RGB."""

import io
from functools import cache

import numpy as np
from PIL import Image

from input_pipeline.decoders import PILLOW_ERRORS, fast_pixels, known_layout, layout_of

# Pillow itself refuses above 179 million pixels; a little less, so that the message is ours.
MAX_PIXELS = 178_000_000
DELIVERIES = ("clean", "web", "hard")

# Formats of images that people and generators publish. Pillow knows more, among them EPS, which it
# hands to an interpreter: not for files of unknown origin.
_FORMATS = ("PNG", "JPEG", "MPO", "WEBP", "AVIF", "GIF", "BMP", "TIFF", "PPM", "TGA", "JPEG2000")

# (long edge in pixels, JPEG quality)
_DELIVERY_SETTINGS = {"web": (1024, 75), "hard": (512, 40)}


class UnreadableImageError(ValueError):
    """Bytes that are no image, are cut short, or are too large; the message is the reason."""


def decode(
    data: bytes | memoryview, *, max_pixels: int = MAX_PIXELS, out: np.ndarray | None = None
) -> np.ndarray:
    """Decodes an image file to uint8 [h, w, 3] RGB.

    Pixels are taken as stored: an EXIF orientation is ignored, transparency is dropped (the colour
    under it stays, nothing is composited), grey and palette images become RGB, 16-bit samples keep
    their upper 8 bits, CMYK is converted by Pillow's formula, of an animation the first frame
    counts. The size is checked before any pixel is decoded. All this is as Pillow does it, also
    where another library decodes the pixels, see `decoders.fast_pixels`.

    Args:
      data: the bytes of the file.
      max_pixels: most pixels (height * width) that are accepted.
      out: contiguous uint8 [h, w, 3] that may be used for the result if it has its shape; if the
        result is another array, `out` may hold anything.

    Raises:
      UnreadableImageError: with the reason.
    """
    if not data:
        raise UnreadableImageError("empty file")
    try:
        image = None
        if (layout := known_layout(data)) is not None:
            _check_size(layout.size, max_pixels)
        else:
            image = _open(data)
            _check_size(image.size, max_pixels)
            layout = layout_of(image, data)
        pixels = None if layout is None else fast_pixels(layout, data, out)
        if pixels is None:
            image = image or _open(data)
            image.load()
            pixels = _to_rgb(image)
        return pixels
    except UnreadableImageError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise UnreadableImageError(f"too large: {error}") from error
    except Image.UnidentifiedImageError as error:
        raise UnreadableImageError("not an image of a known format") from error
    except PILLOW_ERRORS as error:
        detail = str(error) or type(error).__name__
        raise UnreadableImageError(f"damaged image: {detail}") from error


def squash(image: np.ndarray, size: int) -> np.ndarray:
    """Resizes to [size, size, 3] without keeping the aspect, by PIL's antialiased bilinear filter.

    An image of that size is returned as it is.
    """
    if image.shape[:2] == (size, size):
        return image
    return resize(image, size, size)


def resize(
    image: np.ndarray, height: int, width: int, resample: int = Image.Resampling.BILINEAR
) -> np.ndarray:
    """Resizes to [height, width, 3] by a PIL filter, antialiased."""
    return np.asarray(Image.fromarray(image).resize((width, height), resample))


def centre_crop(image: np.ndarray, size: int) -> np.ndarray:
    """Returns the central [size, size, 3]; a smaller image is first padded by reflection."""
    image = pad_to(image, size)
    # Rounded as torchvision's CenterCrop, which the recipes of this field use.
    top = round((image.shape[0] - size) / 2)
    left = round((image.shape[1] - size) / 2)
    return image[top : top + size, left : left + size]


def random_crop(image: np.ndarray, size: int, rng: np.random.Generator) -> np.ndarray:
    """Returns a random [size, size, 3]; a smaller image is first padded by reflection."""
    image = pad_to(image, size)
    top, left = crop_corner(image.shape[0], image.shape[1], size, rng)
    return image[top : top + size, left : left + size]


def crop_corner(height: int, width: int, size: int, rng: np.random.Generator) -> tuple[int, int]:
    """Draws the top left corner of a crop, uniformly; 0 along an axis shorter than `size`."""
    top = int(rng.integers(0, max(height - size, 0) + 1))
    left = int(rng.integers(0, max(width - size, 0) + 1))
    return top, left


def random_crop_after_jpeg(
    image: np.ndarray, size: int, quality: int, rng: np.random.Generator
) -> np.ndarray:
    """Returns `random_crop(jpeg(image, quality), size, rng)`, encoding only what the crop needs.

    JPEG works on blocks of 16 x 16 pixels (4:2:0) and blends colour over one sample beyond them, so
    a window on that grid with one more block on every side gives the same pixels.
    """
    height, width = image.shape[:2]
    if min(height, width) < size:
        return random_crop(jpeg(image, quality), size, rng)
    top, left = crop_corner(height, width, size, rng)
    first_row, first_column = (max(0, edge // 16 - 1) * 16 for edge in (top, left))
    last_row, last_column = ((edge + size) // 16 * 16 + 32 for edge in (top, left))
    window = jpeg(image[first_row:last_row, first_column:last_column], quality)
    top, left = top - first_row, left - first_column
    return window[top : top + size, left : left + size]


def pad_to(image: np.ndarray, size: int) -> np.ndarray:
    """Pads by reflection, evenly on both sides, until neither edge is below `size` pixels."""
    missing = [max(size - edge, 0) for edge in image.shape[:2]]
    if not any(missing):
        return image
    widths = [(gap // 2, gap - gap // 2) for gap in missing]
    return np.pad(image, [*widths, (0, 0)], mode="reflect")


def jpeg(image: np.ndarray, quality: int) -> np.ndarray:
    """Returns the image after one trip through JPEG (4:2:0) at this quality, 1 to 100."""
    if not 1 <= quality <= 100:
        raise ValueError(f"JPEG quality is {quality}; allowed is 1 to 100.")
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "JPEG", quality=int(quality), subsampling="4:2:0")
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
        raise ValueError(f"delivery is {how!r}; allowed are {DELIVERIES}.")
    if how == "clean":
        return image
    edge, quality = _DELIVERY_SETTINGS[how]
    height, width = image.shape[:2]
    scale = edge / max(height, width)
    if scale < 1:
        image = resize(
            image,
            max(1, round(height * scale)),
            max(1, round(width * scale)),
            Image.Resampling.BICUBIC,
        )
    return jpeg(image, quality)


def _open(data: bytes | memoryview) -> Image.Image:
    return Image.open(io.BytesIO(data), formats=_formats())


@cache
def _formats() -> tuple[str, ...]:
    """Returns those formats that this build of Pillow can read."""
    Image.init()
    return tuple(name for name in _FORMATS if name in Image.OPEN)


def _check_size(size: tuple[int, int], max_pixels: int) -> None:
    width, height = size
    if width < 1 or height < 1:
        raise UnreadableImageError(f"no pixels: {width} x {height}")
    if width * height > max_pixels:
        raise UnreadableImageError(
            f"too large: {width} x {height} is more than {int(max_pixels)} pixels"
        )


def _to_rgb(image: Image.Image) -> np.ndarray:
    if image.mode == "RGB":
        return np.asarray(image)
    if image.mode.startswith("I;16"):
        return _grey(np.asarray(image).astype(np.uint16) >> 8)
    if image.mode == "I":
        # Pillow's 32-bit integers hold the 16-bit samples of PNG and TIFF files.
        return _grey(np.clip(np.asarray(image), 0, 65535) >> 8)
    if image.mode == "F":
        return _grey(np.clip(np.nan_to_num(np.asarray(image)), 0, 255))
    if image.mode in ("P", "PA"):
        # By way of RGBA, because Pillow warns about transparent palettes on the direct way.
        image = image.convert("RGBA")
    return np.asarray(image.convert("RGB"))


def _grey(values: np.ndarray) -> np.ndarray:
    return np.repeat(values.astype(np.uint8)[:, :, None], 3, axis=2)
