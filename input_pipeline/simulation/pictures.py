"""One scene, photographed: the work of the rendering processes, without JAX or TensorFlow."""

from __future__ import annotations

import dataclasses
import functools
import pathlib

import numpy as np
from PIL import Image

from input_pipeline.images import transforms
from input_pipeline.simulation import camera, scenes

MARGIN = 4
"""Pixels rendered beyond every edge and cut off at the end, so that borders give nothing away."""

_CROP_STREAM = 14
_CROPS_IN_A_RUN = 8


@dataclasses.dataclass(frozen=True)
class Shot:
    """A range of scenes to photograph.

    Attributes:
        seed: seed of the data set.
        indices: numbers of the scenes.
        size: height and width of the finished picture in pixels.
        takes: numbers of the independent noise realisations wanted of each scene.
        photos: files to take scenes from; empty renders them.
    """

    seed: int
    indices: tuple[int, ...]
    size: int
    takes: tuple[int, ...]
    photos: tuple[pathlib.Path, ...] = ()


def shoot(shot: Shot) -> tuple[np.ndarray, np.ndarray]:
    """Photographs the scenes of a shot.

    Returns:
        clean: float32 [scenes, size + 2 MARGIN, size + 2 MARGIN, 3], pictures without noise, 8-bit
            levels in [0, 255].
        noise: float32 [scenes, takes, size, size, 3], what the sensor's noise adds to them.
    """
    side = shot.size + 2 * MARGIN
    clean = np.empty((len(shot.indices), side, side, 3), np.float32)
    noise = np.empty((len(shot.indices), len(shot.takes), shot.size, shot.size, 3), np.float32)
    for row, index in enumerate(shot.indices):
        settings = camera.draw_camera(shot.seed, index)
        raw = camera.expose(settings, _radiance(shot, index, scenes.SUPERSAMPLING * side))
        clean[row], added = camera.picture_noise(settings, raw, shot.seed, index, shot.takes)
        noise[row] = inner(added)
    return clean, noise


def inner(pictures: np.ndarray) -> np.ndarray:
    """Cuts `MARGIN` off every edge of [..., h, w, 3]."""
    return pictures[..., MARGIN:-MARGIN, MARGIN:-MARGIN, :]


def _radiance(shot: Shot, index: int, side: int) -> np.ndarray:
    if not shot.photos:
        return scenes.render_scene(shot.seed, index, side)
    rng = np.random.default_rng([shot.seed, index, _CROP_STREAM])
    # Runs of scenes share a file, which is then decoded once.
    path = shot.photos[index // _CROPS_IN_A_RUN % len(shot.photos)]
    return crop_of_photograph(_decoded(path), side, rng)


@functools.lru_cache(maxsize=1)
def _decoded(path: pathlib.Path) -> np.ndarray:
    return transforms.decode(path.read_bytes())


def crop_of_photograph(photograph: np.ndarray, side: int, rng: np.random.Generator) -> np.ndarray:
    """A random square of a photograph, reduced to a scene, so that its own pixels do not show.

    Args:
        photograph: uint8 [h, w, 3], both at least `side`.
        side: height and width in scene samples.
        rng: draws place and size of the square.

    Returns:
        float32 [side, side, 3], linear light in [0, 1].
    """
    height, width = photograph.shape[:2]
    edge = int(rng.integers(side, min(height, width) + 1))
    top, left = int(rng.integers(height - edge + 1)), int(rng.integers(width - edge + 1))
    square = Image.fromarray(photograph[top : top + edge, left : left + edge])
    reduced = square.resize((side, side), Image.Resampling.BICUBIC)
    level = np.asarray(reduced, np.float32) / 255
    linear = np.where(level <= 0.04045, level / 12.92, ((level + 0.055) / 1.055) ** 2.4)
    return linear.astype(np.float32)
