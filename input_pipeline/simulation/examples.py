"""Example pictures that are nobody's: the project's own scenes, photographed and generated.

They show what commands and pages do, not how good a detector is on real pictures.
"""

import dataclasses
import io
import pathlib

import numpy as np
from PIL import Image

from input_pipeline.errors import UserError
from input_pipeline.simulation import camera, composites, dataset
from input_pipeline.storage.atomic_files import write_together

SIDE = 256
SEED = 7
# Scenes that no split of the embedded data has, which look like something.
_SCENES = (9, 14, 17)
_FAMILIES = ("nearest_conv", "ldm_vae")


@dataclasses.dataclass(frozen=True)
class Example:
    """The name of a picture's file, and what it is."""

    name: str
    words: str


EXAMPLES = (
    *(Example(f"photograph-{number}.png", f"Photograph {number}") for number in (1, 2)),
    *(
        Example(f"generated-{family}.png", f"Photograph {number}, remade by a generator")
        for number, family in enumerate(_FAMILIES, start=1)
    ),
    Example("photograph-with-a-generated-part.png", "Photograph 3, a part of it generated"),
)


def render_examples() -> list[bytes]:
    """PNG files of ``EXAMPLES``, in their order; takes seconds, as decoders are compiled."""
    indices = tuple(composites.FIRST_SCENE + scene for scene in _SCENES)
    takes = (0, *(1 + dataset.FAMILIES.index(family) for family in _FAMILIES))
    clean, noise = camera.shoot(SEED, indices, SIDE, takes)
    photographs = camera.quantise(camera.inner(clean) + noise[:, 0])
    pictures = [photographs[0], photographs[1]]
    for column, family in enumerate(_FAMILIES, start=1):
        made = dataset.generate(family, clean[:2], noise[:2, column], SEED, indices[:2])
        pictures.append(made[column - 1])
    mixed = photographs[2].copy()
    made = dataset.generate(_FAMILIES[0], clean[2:], noise[2:, 1], SEED, indices[2:])[0]
    region = composites.region_of(SEED, 0, SIDE)
    mixed[region] = made[region]
    return [_png(pixels) for pixels in (*pictures, mixed)]


def write_examples(folder: str | pathlib.Path) -> list[pathlib.Path]:
    """Writes the examples into a folder, which is made where missing; returns the files.

    ``UserError`` where the folder has another picture of that name.
    """
    named = zip(EXAMPLES, render_examples(), strict=True)
    files = {example.name: png for example, png in named}
    for name, png in files.items():
        path = pathlib.Path(folder) / name
        if path.exists() and path.read_bytes() != png:
            raise UserError(
                f"{path} is another picture than the example of that name; give another folder "
                "for the examples, or remove it"
            )
    return write_together(folder, files)


def _png(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()
