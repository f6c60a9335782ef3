"""Draws docs/images/reconstructions.png: one embedded scene through every reconstruction decoder.

python -m docs.research.reconstruction_picture
"""

from __future__ import annotations

import pathlib

import matplotlib.pyplot as plt
import numpy as np

from docs.research.fit_simulation_decoders import clean_photographs
from docs.research.scripts import run_script
from npr_jax.models.reconstruction.decoders import DECODERS
from npr_jax.models.reconstruction.pairs import Reconstructor

_SEED, _SCENES, _SIDE = 7, 6, 128
_PART = slice(40, 88)  # what is shown enlarged
_COLUMNS = 4


def main() -> None:
    """Writes the picture."""
    scenes = clean_photographs(_SEED, _SCENES, _SIDE)
    # The scene with the most detail shows most.
    detail = [np.abs(np.diff(scene, axis=0)).mean() for scene in scenes]
    scene = np.clip(np.rint(scenes[int(np.argmax(detail))]), 0, 255).astype(np.uint8)
    run = Reconstructor(list(DECODERS), _SIDE)
    pictures = {"embedded scene": scene}
    pictures |= {name: run(name, scene, _SEED) for name in DECODERS}
    rows = -(-len(pictures) // _COLUMNS)
    figure, axes = plt.subplots(rows, _COLUMNS, figsize=(9, 2.5 * rows), layout="constrained")
    for ax in axes.flat:
        ax.set_axis_off()
    for ax, (name, pixels) in zip(axes.flat, pictures.items(), strict=False):
        ax.imshow(pixels[_PART, _PART], interpolation="nearest")
        ax.set_title(name, fontsize=9)
    target = pathlib.Path(__file__).parents[1] / "images" / "reconstructions.png"
    figure.savefig(target, dpi=80)


if __name__ == "__main__":
    run_script(main)
