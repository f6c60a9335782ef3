"""A camera: lens blur, Bayer mosaic, shot and read noise, demosaic, sharpening, tone curve.

The noise of a picture is `develop(raw + noise) - develop(raw)`, so it carries the correlations
that demosaicing, sharpening and the tone curve give it, and the same noise can be added to a
picture that a decoder made.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from input_pipeline.simulation import scenes

_STREAM = 12
_NOISE_STREAM = 13

_MALVAR_GREEN = (((0, 0), 4), ((0, 1), 2), ((1, 0), 2), ((0, 2), -1), ((2, 0), -1))
_MALVAR_ROW = (((0, 0), 5), ((0, 1), 4), ((1, 1), -1), ((0, 2), -1), ((2, 0), 0.5))
_MALVAR_DIAGONAL = (((0, 0), 6), ((1, 1), 2), ((0, 2), -1.5), ((2, 0), -1.5))
_BILINEAR_GREEN = (((0, 1), 2), ((1, 0), 2))
_BILINEAR_ROW = (((0, 1), 4),)
_BILINEAR_DIAGONAL = (((1, 1), 2),)


@dataclasses.dataclass(frozen=True)
class Camera:
    """Settings of one exposure.

    Attributes:
        lens_blur: standard deviation of the lens blur, in sensor pixels.
        phase: row and column of the red site in the 2x2 Bayer cell.
        gradient_corrected: Malvar-He-Cutler demosaicing (ICASSP 2004) rather than bilinear.
        shot: variance of the noise per unit of signal (1 is sensor white).
        read: standard deviation of the signal-independent noise.
        white_balance: gains of red and blue against green.
        saturation: strength of the colour matrix, 0 none.
        sharpening: amount of the unsharp mask, 0 none.
        contrast: strength of the S-shaped tone curve, 0 none.
        grain: standard deviation of white grain on the finished picture, 8-bit levels.
    """

    lens_blur: float
    phase: tuple[int, int]
    gradient_corrected: bool
    shot: float
    read: float
    white_balance: tuple[float, float]
    saturation: float
    sharpening: float
    contrast: float
    grain: float


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
        camera: the settings.
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
        seed: seed of the data set.
        index: number of the scene.
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
    """Turns raw images into pictures.

    Args:
        camera: the settings.
        raw: float32 [n, h, w].

    Returns:
        float32 [n, h, w, 3], 8-bit levels in [0, 255], neither rounded nor quantised.
    """
    image = _demosaic(raw, camera.phase, camera.gradient_corrected)
    image *= np.array([camera.white_balance[0], 1.0, camera.white_balance[1]], np.float32)
    grey = image.mean(axis=-1, keepdims=True)
    image = np.clip(image + camera.saturation * (image - grey), 0, 1)
    image = np.where(image < 0.0031308, 12.92 * image, 1.055 * image ** (1 / 2.4) - 0.055)
    image = image + camera.contrast * image * (1 - image) * (2 * image - 1)
    if camera.sharpening > 0:
        soft = _shifted_sum(image, ((0, 0), (0, 1), (1, 0), (1, 1)), (0.25, 0.125, 0.125, 0.0625))
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
    green_kernel = _MALVAR_GREEN if corrected else _BILINEAR_GREEN
    row_kernel = _MALVAR_ROW if corrected else _BILINEAR_ROW
    diagonal_kernel = _MALVAR_DIAGONAL if corrected else _BILINEAR_DIAGONAL
    green = _kernel(padded, green_kernel)
    across = _kernel(padded, row_kernel)
    down = _kernel(padded, row_kernel, transpose=True)
    diagonal = _kernel(padded, diagonal_kernel)
    coloured = red | blue
    image = np.empty((*raw.shape, 3), np.float32)
    image[..., 1] = np.where(coloured, green, raw)
    image[..., 0] = np.where(red, raw, np.where(blue, diagonal, np.where(red_row, across, down)))
    image[..., 2] = np.where(blue, raw, np.where(red, diagonal, np.where(red_row, down, across)))
    return image


def _kernel(padded: np.ndarray, taps: tuple, transpose: bool = False) -> np.ndarray:
    """Symmetric 5x5 filter in eighths; every tap stands for its mirror images too."""
    height, width = padded.shape[1] - 4, padded.shape[2] - 4
    total = np.zeros((padded.shape[0], height, width), np.float32)
    for (y, x), weight in taps:
        if transpose:
            y, x = x, y
        for row in {y, -y}:
            for column in {x, -x}:
                window = padded[:, 2 + row : 2 + row + height, 2 + column : 2 + column + width]
                total += np.float32(weight / 8) * window
    return total


def _shifted_sum(image: np.ndarray, offsets: tuple, weights: tuple) -> np.ndarray:
    padded = np.pad(image, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="edge")
    height, width = image.shape[1:3]
    total = np.zeros_like(image)
    for (y, x), weight in zip(offsets, weights, strict=True):
        for row in {y, -y}:
            for column in {x, -x}:
                window = padded[:, 1 + row : 1 + row + height, 1 + column : 1 + column + width]
                total += weight * window
    return total
