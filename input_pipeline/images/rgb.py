"""From what Pillow opens to uint8 RGB: which value is white, and what lies under transparency."""

import sys
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from PIL import Image, ImageFile

from input_pipeline.images.problems import UnreadableImageError

# What transparent pixels show, as if the picture lay on it; docs/formats.md: how it was chosen.
GROUND = (128, 128, 128)
# Bits per sample that cameras and programs keep in 16: the fewest that hold the largest value.
_DEPTHS = (8, 10, 12, 14, 16)
_ROWS_AT_ONCE = 256
# Tags of a TIFF, and values of theirs.
_PHOTOMETRIC, _SAMPLE_FORMAT = 262, 339
_WHITE_IS_ZERO, _SIGNED = 0, 2
# Raw modes of several 16-bit samples, of which Pillow keeps one byte, up to the byte order.
_DEEP = ("RGB;16", "RGBA;16", "LA;16")
_TRANSPARENT_MODES = ("RGBA", "LA", "PA", "RGBa", "La")


def to_rgb(image: Image.Image, reopened: Callable[[], Image.Image]) -> np.ndarray:
    """Decodes an opened image to uint8 [h, w, 3].

    Samples of more than 8 bits are scaled by their own range: of integers the fewest of 8, 10, 12,
    14 and 16 bits that hold the largest value count, of these the upper eight; floats up to 1 are
    parts of white, those up to 255 or 65,535 are levels. Transparent pixels are laid on `GROUND`.

    Args:
      image: opened, not loaded.
      reopened: opens the same file once more.

    Raises:
      UnreadableImageError: the range of the values is unclear, or nothing is visible.
    """
    if _tags(image).get(_SAMPLE_FORMAT) == (_SIGNED,) and image.mode == "L":
        raise UnreadableImageError(
            "its samples are signed, which Pillow reads as if they were not; save it with 8 or 16 "
            "bits per sample, without a sign"
        )
    deep = _deep_samples(image, reopened)
    if deep is not None:
        return _of_samples(deep)
    image.load()
    if image.mode == "RGB" and "transparency" not in image.info:
        return np.asarray(image)
    if image.mode.startswith("I;16") or image.mode == "I":
        return _grey(_positive(_of_integers(np.asarray(image)), image))
    if image.mode == "F":
        return _grey(_positive(_of_floats(np.asarray(image)), image))
    if has_alpha(image):
        return on_ground(np.asarray(image.convert("RGBA")))
    return np.asarray(image.convert("RGB"))


def on_ground(rgba: np.ndarray) -> np.ndarray:
    """Lays uint8 [h, w, 4] on `GROUND`: uint8 [h, w, 3], the same colours where all is opaque.

    Raises:
      UnreadableImageError: nothing is visible.
    """
    least, most = int(rgba[..., 3].min()), int(rgba[..., 3].max())
    if least == 255:
        return np.ascontiguousarray(rgba[..., :3])
    if most == 0:
        raise UnreadableImageError("every pixel is transparent: there is nothing to see")
    laid = np.empty((*rgba.shape[:2], 3), np.uint8)
    ground = np.array(GROUND, np.uint16)
    for top in range(0, len(rgba), _ROWS_AT_ONCE):
        rows = rgba[top : top + _ROWS_AT_ONCE].astype(np.uint16)
        alpha = rows[..., 3:]
        laid[top : top + _ROWS_AT_ONCE] = (
            rows[..., :3] * alpha + ground * (255 - alpha) + 127
        ) // 255
    return laid


def has_alpha(image: Image.Image) -> bool:
    """Whether pixels of a picture may be transparent."""
    return image.mode in _TRANSPARENT_MODES or "transparency" in image.info


def transparent_share(image: Image.Image) -> float:
    """The share of a picture that is not there: 0 where all is opaque, 1 where nothing is seen."""
    if not has_alpha(image):
        return 0.0
    alpha = np.asarray(image.convert("RGBA").getchannel("A"))
    return float(1 - alpha.mean() / 255)


def _tags(image: Image.Image) -> Mapping[int, Any]:
    """Those of a TIFF."""
    return getattr(image, "tag_v2", {})


def _positive(narrow: np.ndarray, image: Image.Image) -> np.ndarray:
    """A TIFF may call zero white; Pillow turns only samples of 8 bits and fewer."""
    is_negative = _tags(image).get(_PHOTOMETRIC) == _WHITE_IS_ZERO
    return 255 - narrow if is_negative else narrow


def _deep_samples(image: Image.Image, reopened: Callable[[], Image.Image]) -> np.ndarray | None:
    """uint16 [h, w, c] of RGB, RGBA or grey with alpha, 16 bits each; None for other files.

    Pillow has no such mode and keeps the upper bytes: black, where the samples have 10 or 12 bits.
    Read once in each byte order it gives both bytes.
    """
    if not isinstance(image, ImageFile.ImageFile) or not image.tile:
        return None
    raw_mode = _raw_mode(image.tile[0])
    kind, order = raw_mode[:-1], raw_mode[-1:]
    if kind not in _DEEP or order not in "BLN":
        return None
    if kind == "LA;16":  # Pillow takes it for RGBA, which has as many bytes a pixel
        bytes_ = np.asarray(_with_raw_mode(image, "RGBA")).astype(np.uint16)
        upper, lower = bytes_[..., 0::2], bytes_[..., 1::2]
        return upper << 8 | lower if order == "B" else lower << 8 | upper
    first = np.asarray(_with_raw_mode(image, f"{kind}B")).astype(np.uint16)
    second = np.asarray(_with_raw_mode(reopened(), f"{kind}L"))
    big = order == "B" or (order == "N" and sys.byteorder == "big")
    return first << 8 | second if big else second.astype(np.uint16) << 8 | first


def _raw_mode(tile: tuple) -> str:
    if isinstance(tile[3], str):
        return tile[3]
    return str(tile[3][0]) if tile[3] else ""


def _with_raw_mode(image: Image.Image, raw_mode: str) -> Image.Image:
    if not isinstance(image, ImageFile.ImageFile):
        raise TypeError("an image that was not opened from a file")
    image.tile = [
        tile._replace(
            args=raw_mode if isinstance(tile[3], str) else (raw_mode, *(tile[3] or ())[1:])
        )
        for tile in image.tile
    ]
    image.load()
    return image


def _of_samples(samples: np.ndarray) -> np.ndarray:
    """uint8 RGB of uint16 [h, w, 2 (grey, alpha), 3 or 4]."""
    colours = samples[..., :1] if samples.shape[2] == 2 else samples[..., :3]
    narrow = np.broadcast_to(_of_integers(colours), (*samples.shape[:2], 3))
    if samples.shape[2] == 3:
        return np.ascontiguousarray(narrow)
    return on_ground(np.dstack([narrow, _of_integers(samples[..., -1])]))


def _of_integers(values: np.ndarray) -> np.ndarray:
    """The upper eight bits of the fewest bits that hold the largest value, uint8."""
    least, most = int(values.min()), int(values.max())
    if least < 0 or most > 65535:
        raise _unclear(least, most)
    depth = next(depth for depth in _DEPTHS if most < 1 << depth)
    return (values >> (depth - 8)).astype(np.uint8)


def _of_floats(values: np.ndarray) -> np.ndarray:
    """Parts of white, or levels of 8 or 16 bits, rounded to uint8."""
    least, most = float(values.min()), float(values.max())  # NaN, where one is
    # A picture whose brightest value would be next to black has another range.
    for white, darkest in ((1.0, 0.02), (255.0, 64.0), (65535.0, 16384.0)):
        # Resampling overshoots a little; it is clipped, as programs do when they save.
        is_black = least == most == 0
        if (darkest <= most <= 1.02 * white or is_black) and least >= -0.02 * white:
            return np.rint(255 * np.clip(values / white, 0, 1)).astype(np.uint8)
    raise _unclear(least, most)


def _unclear(least: float, most: float) -> UnreadableImageError:
    return UnreadableImageError(
        f"its values go from {least:g} to {most:g}, and the file does not tell which is white; "
        "save it with 8 or 16 bits per sample, or as floats from 0 to 1"
    )


def _grey(values: np.ndarray) -> np.ndarray:
    return np.repeat(values[:, :, None], 3, axis=2)
