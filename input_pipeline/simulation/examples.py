"""Example pictures that are nobody's: the project's own scenes, photographed and generated.

They show what commands and pages do, not how good a detector is on real pictures.
"""

import dataclasses
import io
import pathlib

import numpy as np
from PIL import Image

from input_pipeline.simulation import camera, composites, dataset
from input_pipeline.storage.atomic_files import write_together

SIDE = 256
SEED = 7
# Scenes that no split of the embedded data has, which look like something.
_SCENES = (9, 14, 17)
_FAMILIES = ("nearest_conv", "ldm_vae")


@dataclasses.dataclass(frozen=True)
class Example:
    """One picture, as a PNG file, and what it is."""

    name: str
    words: str
    png: bytes


def make_examples() -> list[Example]:
    """Photographs of some scenes, the same scenes generated, and one with a generated part."""
    indices = tuple(composites.FIRST_SCENE + scene for scene in _SCENES)
    takes = (0, *(1 + dataset.FAMILIES.index(family) for family in _FAMILIES))
    clean, noise = camera.shoot(SEED, indices, SIDE, takes)
    photographs = camera.quantise(camera.inner(clean) + noise[:, 0])
    found = [
        _example(f"photograph-{number}.png", f"Photograph {number}", photographs[number - 1])
        for number in (1, 2)
    ]
    for column, family in enumerate(_FAMILIES, start=1):
        made = dataset.generate(family, clean[:2], noise[:2, column], SEED, indices[:2])
        words = f"Photograph {column}, remade by a generator"
        found.append(_example(f"generated-{family}.png", words, made[column - 1]))
    mixed = photographs[2].copy()
    made = dataset.generate(_FAMILIES[0], clean[2:], noise[2:, 1], SEED, indices[2:])[0]
    region = composites.region_of(SEED, 0, SIDE)
    mixed[region] = made[region]
    words = "Photograph 3, a part of it generated"
    return [*found, _example("photograph-with-a-generated-part.png", words, mixed)]


def write_examples(folder: str | pathlib.Path) -> list[pathlib.Path]:
    """Writes the examples into a folder, which is made where missing; returns the files."""
    return write_together(folder, {example.name: example.png for example in make_examples()})


def _example(name: str, words: str, pixels: np.ndarray) -> Example:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return Example(name, words, buffer.getvalue())
