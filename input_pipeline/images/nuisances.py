"""What pixels tell of a picture's past and look, whoever made it.

Where photographs and generated images of a data set differ in these, a detector can tell them apart
without seeing anything that a generator leaves. `prepare --check` says how far each goes alone.
"""

from typing import NamedTuple

import numpy as np

from input_pipeline.images.invisible_mark import read_mark

SIDE = 512  # pixels of the part in the middle that is measured
SMALLEST = 32  # pixels; of smaller images only brightness and saturation are known
_GRID = 8  # pixels of a JPEG block
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)


class Nuisances(NamedTuple):
    """Of one image; each is a tuple of numbers, and 0 where an image is too small to tell."""

    # JPEG's grid of blocks, in a PNG file too: how much more the brightness jumps there than
    # elsewhere, over its mean jump, and the place of the first line, 0 to 7 pixels, by row and by
    # column. A file that is JPEG itself, or has been and was not cropped, has it at 0.
    grid: tuple[float, float, float, float]
    # Periodic interpolation: how far the spectrum of differences between neighbours stands out at
    # its highest point off the harmonics of 8 pixels, that frequency per pixel, and at 1/2 and 1/4.
    resampling: tuple[float, float, float, float]
    brightness: tuple[float]  # mean of the luma, 0 to 1
    saturation: tuple[float]  # mean of HSV's, 0 to 1
    sharpness: tuple[float]  # log of the variance of the Laplacian, in grey levels
    invisible_mark: tuple[float]  # share of the bits of Stable Diffusion's mark that agree


def measure_nuisances(image: np.ndarray) -> Nuisances:
    """Measures the middle of an image, uint8 [h, w, 3] RGB; the mark, in all of it."""
    # At whole blocks, so that the place of the grid is counted from the image's own corner.
    top, left = (max(side - SIDE, 0) // 2 // _GRID * _GRID for side in image.shape[:2])
    part = image[top : top + SIDE, left : left + SIDE].astype(np.float32)
    luma = part @ _LUMA
    high, low = part.max(axis=2), part.min(axis=2)
    saturation = np.divide(high - low, high, out=np.zeros_like(high), where=high > 0).mean()
    grid, resampling, sharpness = (0.0,) * 4, (0.0,) * 4, 0.0
    if min(luma.shape) >= SMALLEST:
        (rows, row), (columns, column) = find_grid(luma), find_grid(luma.T)
        grid = (rows, columns, float(row), float(column))
        resampling = _resampling(luma)
        laplacian = _second(luma)[:, 1:-1] + _second(luma.T).T[1:-1]
        sharpness = float(np.log1p(laplacian.var()))
    return Nuisances(
        grid=grid,
        resampling=resampling,
        brightness=(float(luma.mean() / 255),),
        saturation=(float(saturation),),
        sharpness=(sharpness,),
        invisible_mark=(read_mark(image).share,),
    )


def find_grid(luma: np.ndarray) -> tuple[float, int]:
    """Strength and place of JPEG's grid across the rows of float [h, w], h at least 32.

    The jump between two rows, less the mean of the jumps above and below it, averaged over every
    eighth place; the strength is that of the highest place above the other seven, over the mean
    jump; 0 without jumps. The place is the row, 0 to 7, that a block begins with.
    """
    jumps = np.abs(np.diff(luma, axis=0)).mean(axis=1)
    excess = jumps[1:-1] - (jumps[:-2] + jumps[2:]) / 2
    # Of rows 1 and 2 is the first jump with one on either side.
    by_place = [excess[(place - 2) % _GRID :: _GRID].mean() for place in range(_GRID)]
    best = int(np.argmax(by_place))
    others = (sum(by_place) - by_place[best]) / (_GRID - 1)
    mean = jumps.mean()
    return (float((by_place[best] - others) / mean) if mean else 0.0), best


def _resampling(luma: np.ndarray) -> tuple[float, float, float, float]:
    """Interpolated pixels are nearer to the mean of their neighbours, at regular distances.

    Gallagher, "Detection of linear and cubic interpolation in JPEG compressed images", CRV 2005.
    Twice and four times as large, the second differences are alike everywhere, the first are not.
    """
    planes = (luma, luma.T)
    first = np.mean([_spectrum(np.diff(plane, axis=0)) for plane in planes], axis=0)
    second = np.mean([_spectrum(_second(plane)) for plane in planes], axis=0)
    frequency = np.arange(len(second)) / (2 * SIDE)
    # JPEG stands at the harmonics of its blocks.
    harmonic = np.abs(frequency * _GRID - np.rint(frequency * _GRID)) < 0.1
    free = np.where((frequency > 1 / 16) & ~harmonic, second, 0)
    half, quarter = (float(first[2 * SIDE // period]) for period in (2, 4))
    return float(free.max()), float(frequency[free.argmax()]), half, quarter


def _spectrum(differences: np.ndarray) -> np.ndarray:
    """Log of the spectrum, over its median, of the mean absolute value of each row [SIDE + 1]."""
    profile = np.abs(differences).mean(axis=1)
    profile = profile[: len(profile) // _GRID * _GRID]
    # What the picture itself does, over a couple of blocks, is taken away.
    window = np.full(2 * _GRID + 1, 1 / (2 * _GRID + 1))
    profile = (profile - np.convolve(profile, window, "same")) * np.hanning(len(profile))
    spectrum = np.abs(np.fft.rfft(profile, 2 * SIDE))
    middle = np.median(spectrum)
    return np.log1p(spectrum / middle) if middle else np.zeros_like(spectrum)


def _second(plane: np.ndarray) -> np.ndarray:
    """Second differences along the rows of [h, w], [h - 2, w]."""
    return plane[:-2] - 2 * plane[1:-1] + plane[2:]
