"""Scenes, photographed: lens blur, Bayer mosaic, noise, demosaicing, sharpening, tone curve.

The noise of a picture is `develop(raw + noise) - develop(raw)`, so it carries the correlations
that demosaicing, sharpening and the tone curve give it, and the same noise can be added to a
picture that a decoder made.
"""

import dataclasses
import functools
import itertools
import pathlib
from collections.abc import Sequence

import numpy as np
from PIL import Image

from input_pipeline.images import transforms
from input_pipeline.simulation import scenes

# Pixels rendered beyond every edge and cut off at the end, so that borders give nothing away.
MARGIN = 4
_CROP_STREAM = 14
_CROPS_IN_A_RUN = 8
_STREAM, _NOISE_STREAM = 12, 13

# ((row, column), eighths) of 5x5 filters: green, colours along a row, and across the diagonal.
_MALVAR = (
    (((0, 0), 4), ((0, 1), 2), ((1, 0), 2), ((0, 2), -1), ((2, 0), -1)),
    (((0, 0), 5), ((0, 1), 4), ((1, 1), -1), ((0, 2), -1), ((2, 0), 0.5)),
    (((0, 0), 6), ((1, 1), 2), ((0, 2), -1.5), ((2, 0), -1.5)),
)
_BILINEAR = ((((0, 1), 2), ((1, 0), 2)), (((0, 1), 4),), (((1, 1), 2),))
_SOFT = (((0, 0), 0.25), ((0, 1), 0.125), ((1, 0), 0.125), ((1, 1), 0.0625))


def shoot(
    seed: int,
    indices: Sequence[int],
    size: int,
    takes: Sequence[int],
    photos: Sequence[pathlib.Path] = (),
) -> tuple[np.ndarray, np.ndarray]:
    """Photographs scenes.

    Args:
        seed: seed of the data set.
        indices: numbers of the scenes.
        size: height and width of the finished picture in pixels.
        takes: numbers of the independent noise realisations wanted of each scene.
        photos: files to take scenes from; empty renders them.

    Returns:
        clean: float32 [scenes, size + 2 MARGIN, size + 2 MARGIN, 3], pictures without noise, 8-bit
            levels in [0, 255].
        noise: float32 [scenes, takes, size, size, 3], what the sensor's noise adds to them.
    """
    side = size + 2 * MARGIN
    clean = np.empty((len(indices), side, side, 3), np.float32)
    noise = np.empty((len(indices), len(takes), size, size, 3), np.float32)
    for row, index in enumerate(indices):
        settings = draw_camera(seed, index)
        raw = expose(settings, _radiance(photos, seed, index, scenes.SUPERSAMPLING * side))
        clean[row], added = picture_noise(settings, raw, seed, index, takes)
        noise[row] = inner(added)
    return clean, noise


def inner(pictures: np.ndarray) -> np.ndarray:
    """Cuts `MARGIN` off every edge of [..., h, w, 3]."""
    return pictures[..., MARGIN:-MARGIN, MARGIN:-MARGIN, :]


def _radiance(photos: Sequence[pathlib.Path], seed: int, index: int, side: int) -> np.ndarray:
    if not photos:
        return scenes.render_scene(seed, index, side)
    rng = np.random.default_rng([seed, index, _CROP_STREAM])
    # Runs of scenes share a file, which is then decoded once.
    path = photos[index // _CROPS_IN_A_RUN % len(photos)]
    return crop_of_photograph(_decoded(path), side, rng)


@functools.lru_cache(maxsize=1)
def _decoded(path: pathlib.Path) -> np.ndarray:
    return transforms.decode(path.read_bytes())


def crop_of_photograph(photograph: np.ndarray, side: int, rng: np.random.Generator) -> np.ndarray:
    """A random square of a photograph, reduced to a scene, so that its own pixels do not show.

    Args:
        photograph: uint8 [h, w, 3], both at least `side`.
        side: of the result, float32 [side, side, 3], linear light in [0, 1].
        rng: draws place and size of the square.
    """
    height, width = photograph.shape[:2]
    edge = int(rng.integers(side, min(height, width) + 1))
    top, left = int(rng.integers(height - edge + 1)), int(rng.integers(width - edge + 1))
    square = Image.fromarray(photograph[top : top + edge, left : left + edge])
    reduced = square.resize((side, side), Image.Resampling.BICUBIC)
    level = np.asarray(reduced, np.float32) / 255
    linear = np.where(level <= 0.04045, level / 12.92, ((level + 0.055) / 1.055) ** 2.4)
    return linear.astype(np.float32)


@dataclasses.dataclass(frozen=True)
class Camera:
    """Settings of one exposure."""

    lens_blur: float  # standard deviation of the lens blur, in sensor pixels
    phase: tuple[int, int]  # row and column of the red site in the 2x2 Bayer cell
    gradient_corrected: bool  # Malvar-He-Cutler demosaicing (ICASSP 2004) rather than bilinear
    shot: float  # variance of the noise per unit of signal (1 is sensor white)
    read: float  # standard deviation of the signal-independent noise
    white_balance: tuple[float, float]  # gains of red and blue against green
    saturation: float  # strength of the colour matrix, 0 none
    sharpening: float  # amount of the unsharp mask, 0 none
    contrast: float  # strength of the S-shaped tone curve, 0 none
    grain: float  # standard deviation of white grain on the finished picture, 8-bit levels


def draw_camera(seed: int, index: int) -> Camera:
    """The camera of scene `index`, a pure function of (seed, index)."""
    rng = np.random.default_rng([seed, index, _STREAM])
    sensitivity = np.exp(rng.uniform(np.log(0.15), np.log(1.0)))
    return Camera(
        lens_blur=float(np.exp(rng.uniform(np.log(0.4), np.log(0.9)))),
        phase=(int(rng.integers(2)), int(rng.integers(2))),
        gradient_corrected=bool(rng.uniform() < 0.7),
        shot=1.2e-4 * float(sensitivity),
        read=1.2e-3 * float(sensitivity),
        white_balance=(float(rng.uniform(1.4, 2.1)), float(rng.uniform(1.2, 1.9))),
        saturation=float(rng.uniform(0.0, 0.35)),
        sharpening=float(rng.uniform(0.0, 0.8)),
        contrast=float(rng.uniform(0.0, 0.6)),
        grain=float(rng.uniform(0.7, 1.6)),
    )


def expose(camera: Camera, radiance: np.ndarray) -> np.ndarray:
    """Noise-free raw image behind the Bayer filter.

    Args:
        camera: its settings.
        radiance: float32 [2h, 2w, 3], linear light, `scenes.SUPERSAMPLING` samples per pixel.

    Returns:
        float32 [h, w] in [0, 1].
    """
    matrices = [_optics(length, camera.lens_blur) for length in radiance.shape[:2]]
    image = scenes.apply_separable(radiance, *matrices)
    image[..., 0] /= camera.white_balance[0]
    image[..., 2] /= camera.white_balance[1]
    red, blue = _sites(image.shape[:2], camera.phase)
    raw = np.where(red, image[..., 0], np.where(blue, image[..., 2], image[..., 1]))
    return np.clip(raw, 0, 1).astype(np.float32)


def picture_noise(
    camera: Camera, raw: np.ndarray, seed: int, index: int, takes: Sequence[int]
) -> tuple[np.ndarray, np.ndarray]:
    """Develops a raw image without noise, and what noise adds to the picture in every take.

    Args:
        camera: the settings.
        raw: float32 [h, w], as from `expose`.
        seed: seed of the data set; `index`: number of the scene.
        takes: numbers of independent exposures.

    Returns:
        clean: float32 [h, w, 3], 8-bit levels in [0, 255].
        noise: float32 [takes, h, w, 3]: shot and read noise as developed, and grain. Grain hides
            that demosaicing leaves red and blue smoother than green, which any network undoes.
    """
    spread = np.sqrt(camera.shot * raw + camera.read**2)
    rngs = [np.random.default_rng([seed, index, _NOISE_STREAM, take]) for take in takes]
    noisy = [raw + spread * rng.standard_normal(raw.shape, dtype=np.float32) for rng in rngs]
    developed = develop(camera, np.stack([raw, *noisy]))
    grain = [rng.standard_normal((*raw.shape, 3), dtype=np.float32) for rng in rngs]
    return developed[0], developed[1:] - developed[0] + np.float32(camera.grain) * np.stack(grain)


def develop(camera: Camera, raw: np.ndarray) -> np.ndarray:
    """Turns raw images, float32 [n, h, w], into float32 [n, h, w, 3] of levels in [0, 255]."""
    image = _demosaic(raw, camera.phase, camera.gradient_corrected)
    image *= np.array([camera.white_balance[0], 1.0, camera.white_balance[1]], np.float32)
    grey = image.mean(axis=-1, keepdims=True)
    image = np.clip(image + camera.saturation * (image - grey), 0, 1)
    image = np.where(image < 0.0031308, 12.92 * image, 1.055 * image ** (1 / 2.4) - 0.055)
    image = image + camera.contrast * image * (1 - image) * (2 * image - 1)
    if camera.sharpening > 0:
        padded = np.pad(image, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="edge")
        soft = _symmetric_filter(padded, _SOFT, 1)
        image = image + camera.sharpening * (image - soft)
    return (255 * np.clip(image, 0, 1)).astype(np.float32)


def quantise(image: np.ndarray) -> np.ndarray:
    """Rounds and clips levels to uint8, the last stage of either class."""
    return np.clip(np.rint(image), 0, 255).astype(np.uint8)


def _optics(length: int, sigma: float) -> np.ndarray:
    """Lens blur and the area of a pixel as one float32 [length / 2, length] matrix."""
    blurred = scenes.gaussian_matrix(length, sigma * scenes.SUPERSAMPLING)
    return blurred.reshape(-1, scenes.SUPERSAMPLING, length).mean(axis=1)


def _sites(shape: tuple[int, int], phase: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    row = (np.arange(shape[0]) + phase[0])[:, None] % 2
    column = (np.arange(shape[1]) + phase[1])[None] % 2
    return (row == 0) & (column == 0), (row == 1) & (column == 1)


def _demosaic(raw: np.ndarray, phase: tuple[int, int], corrected: bool) -> np.ndarray:
    red, blue = _sites(raw.shape[1:], phase)
    red_row = red.any(axis=1, keepdims=True)
    padded = np.pad(raw, ((0, 0), (2, 2), (2, 2)), mode="reflect")
    of_green, of_row, of_diagonal = _MALVAR if corrected else _BILINEAR
    padded = padded / np.float32(8)
    green = _symmetric_filter(padded, of_green, 2)
    across = _symmetric_filter(padded, of_row, 2)
    down = _symmetric_filter(padded, of_row, 2, transpose=True)
    diagonal = _symmetric_filter(padded, of_diagonal, 2)
    coloured = red | blue
    image = np.empty((*raw.shape, 3), np.float32)
    image[..., 1] = np.where(coloured, green, raw)
    image[..., 0] = np.where(red, raw, np.where(blue, diagonal, np.where(red_row, across, down)))
    image[..., 2] = np.where(blue, raw, np.where(red, diagonal, np.where(red_row, down, across)))
    return image


def _symmetric_filter(
    padded: np.ndarray, taps: tuple, reach: int, transpose: bool = False
) -> np.ndarray:
    """Filters [n, h + 2 reach, w + 2 reach, ...]; every tap stands for its mirror images too."""
    height, width = (length - 2 * reach for length in padded.shape[1:3])
    total = np.zeros((len(padded), height, width, *padded.shape[3:]), padded.dtype)
    for (y, x), weight in taps:
        if transpose:
            y, x = x, y
        for row, column in itertools.product(dict.fromkeys((y, -y)), dict.fromkeys((x, -x))):
            top, left = reach + row, reach + column
            total += weight * padded[:, top : top + height, left : left + width]
    return total
