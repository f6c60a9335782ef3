"""Whether a file is large enough for the pixels that its header claims: it takes no decoding.

A few bytes can claim 200 million pixels, for which a decoder sets memory aside before it finds
that they are not there.
"""

from PIL import Image, ImageFile

from input_pipeline.images import jpeg_damage, png_damage
from input_pipeline.images.missing_pixels import incomplete

_STORED = ("BMP", "PPM", "TGA")  # those that say where their rows begin; TIFF's may share theirs


def check_claim(
    data: bytes | memoryview, size: tuple[int, int], image: Image.Image | None = None
) -> None:
    """Raises `UnreadableImageError` where the pixels of a file cannot all be in it.

    Args:
      data: the file.
      size: (width, height) that its header claims.
      image: the file, opened and not loaded; not needed for PNG and JPEG of the usual kinds.
    """
    fewest = _fewest_bytes(data, size, image)
    if len(data) < fewest:
        width, height = size
        reason = f"{len(data)} bytes are too few for {width} x {height} pixels"
        if png_damage.is_png(data):
            raise incomplete(reason, png_damage.share_missing(data))
        raise incomplete(reason, 1 - len(data) / fewest, bound="at least")


def _fewest_bytes(
    data: bytes | memoryview, size: tuple[int, int], image: Image.Image | None
) -> int:
    """What a file of this size has at the least; 0 where that is not known."""
    if png_damage.is_png(data):
        return png_damage.fewest_bytes(data)
    if bytes(data[:2]) == b"\xff\xd8":
        return jpeg_damage.fewest_bytes(data, size)
    if not isinstance(image, ImageFile.ImageFile) or image.format not in _STORED:
        return 0
    is_raw = all(tile[0] == "raw" for tile in image.tile)
    return size[0] * size[1] // 8 if is_raw else 0  # a bit for each pixel
