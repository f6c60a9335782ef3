"""A file's metadata as a small picture, so that they reach a network on the way that pixels take.

Row i, column 0 holds feature i of `metadata.FEATURES` as `log(1 + feature) / 16` in 24 bits, the
highest eight in red and the lowest in blue; everything else is 0. The features can be had back
from it to one part in a million of their logarithm's range.
"""

import numpy as np
from PIL import Image

from input_pipeline.images.metadata import FEATURES, read_facts
from input_pipeline.images.problems import UnreadableImageError

SIDE = 32  # pixels, the smallest images that are scored
LOG_RANGE = 16.0  # of the natural logarithm: features up to 8.9 million
LEVELS = 2**24 - 1


def metadata_picture(data: bytes | memoryview) -> np.ndarray:
    """Returns the picture of an image file's metadata, uint8 [SIDE, SIDE, 3].

    Args:
      data: the bytes of the file; its pixels are not decoded.

    Raises:
      UnreadableImageError: the bytes are no image.
    """
    try:
        features = read_facts(data).features()
    except Image.UnidentifiedImageError as error:
        raise UnreadableImageError("not an image of a known format") from error
    except (OSError, ValueError, SyntaxError, ZeroDivisionError) as error:
        raise UnreadableImageError(f"damaged image: {error}") from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise UnreadableImageError(f"too large: {error}") from error
    share = np.clip(np.log1p(features) / LOG_RANGE, 0, 1)
    levels = np.rint(share * LEVELS).astype(np.int64)
    picture = np.zeros((SIDE, SIDE, 3), np.uint8)
    for channel, shift in enumerate((16, 8, 0)):
        picture[: len(FEATURES), 0, channel] = (levels >> shift) & 255
    return picture
