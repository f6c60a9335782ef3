"""What one file of a source is: whether it decodes, its hashes and its metadata."""

import hashlib
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from input_pipeline.images.metadata import FileFacts, read_facts
from input_pipeline.images.transforms import MAX_PIXELS, UnreadableImageError, decode
from input_pipeline.prepare.folders import ImageFile


@dataclass(frozen=True, slots=True)
class Examined:
    """A file that decodes.

    Attributes:
      facts: what it says without its pixels.
      sha256: of its bytes.
      pixels_sha256: of its decoded pixels and their shape: the same picture in another file.
    """

    facts: FileFacts
    sha256: bytes
    pixels_sha256: bytes


def examiner(max_pixels: int = MAX_PIXELS) -> partial:
    """Returns a function of an `ImageFile` that gives an `Examined`, or the reason why not."""
    return partial(_examine, max_pixels)


def _examine(max_pixels: int, file: ImageFile) -> Examined | str:
    try:
        data = Path(file.path).read_bytes()
        pixels = decode(data, max_pixels=max_pixels)
        facts = read_facts(data)
    except UnreadableImageError as error:
        return str(error)
    except OSError as error:
        return f"cannot be read: {error.strerror or error}"
    picture = hashlib.sha256(f"{pixels.shape}".encode())
    picture.update(pixels.data)
    return Examined(facts, hashlib.sha256(data).digest(), picture.digest())
