"""Takes from a decoded picture what is cheap to tell: colours, noise level, power spectrum.

A monotone curve per channel, a smooth gain and an isotropic filter cannot make or unmake a
relation between pixels that depends on where they lie in the up-sampling grid: that trace stays.
"""

import numpy as np
import threadpoolctl

from input_pipeline.simulation import camera, scenes

_ROUNDS = 2
_FLOOR = 0.02
_WINDOW = 2.5
_LARGEST_GAIN = 3.0
_NOISE_GAIN = (0.3, 1.5)


def match(pictures: np.ndarray, references: np.ndarray) -> np.ndarray:
    """Gives pictures the channel histograms and azimuthal spectra of their references.

    Spectra are cosine spectra, which the mirrored borders keep free of leakage; all three channels
    are matched together with their correlations. All float32 [n, h, w, 3], 8-bit levels.
    """
    height, width = pictures.shape[1:3]
    rows, columns = _cosine_matrix(height), _cosine_matrix(width)
    rings = _rings(height, width)
    local = [scenes.gaussian_matrix(length, _WINDOW) for length in (height, width)]
    wanted = _covariance(_transform(references, rows, columns), rings)
    result = pictures
    for _ in range(_ROUNDS):
        spectrum = _transform(result, rows, columns)
        gain = _root(wanted, 0.5) @ _root(_covariance(spectrum, rings), -0.5)
        spectrum = np.einsum("nhwij,nhwj->nhwi", gain[:, rings], spectrum, optimize=True)
        result = _transform(spectrum, rows.T, columns.T)
        result = _match_detail(result, references, local)
        result = match_histogram(result, references)
    return result.astype(np.float32)


def finish(made: np.ndarray, references: np.ndarray, noise: np.ndarray) -> np.ndarray:
    """The last stages of a generated image: matching, noise, rounding to uint8 [n, h, w, 3].

    Args:
        made: float32 [n, h, w, 3], decoded pictures, 8-bit levels.
        references: float32 [n, h, w, 3], noise-free photographs of the same scenes.
        noise: float32 [n, h, w, 3], the sensor's noise.
    """
    with threadpoolctl.threadpool_limits(1):
        pictures = np.clip(match(made, references), 0, 255)
        return camera.quantise(pictures + match_noise(pictures, references, noise))


def match_noise(pictures: np.ndarray, references: np.ndarray, noise: np.ndarray) -> np.ndarray:
    """Scales noise so that `pictures + noise` looks as noisy as `references + noise`.

    How noisy a channel looks is the median of the noise filter's absolute response: what a decoder
    adds to smooth regions counts as noise, so less of the sensor's is added. All, and the scaled
    noise, are float32 [n, h, w, 3].
    """
    wanted = noise_level(references + noise) ** 2
    gain = np.ones_like(wanted)
    for _ in range(_ROUNDS):
        found = noise_level(pictures + gain[:, None, None] * noise) ** 2
        share = np.maximum(noise_level(gain[:, None, None] * noise) ** 2, 1e-6)
        gain *= np.sqrt(np.clip(1 + (wanted - found) / share, 0.2, 2.0))
        gain = np.clip(gain, *_NOISE_GAIN)
    return gain[:, None, None] * noise


def noise_level(images: np.ndarray) -> np.ndarray:
    """Robust standard deviation of the noise of float [n, h, w, c] by channel; float [n, c].

    The filter is Immerkaer's (CVIU 1996), which removes linear structure.
    """
    x = images[:, :-2] - 2 * images[:, 1:-1] + images[:, 2:]
    x = (x[:, :, :-2] - 2 * x[:, :, 1:-1] + x[:, :, 2:]) / 6
    return np.median(np.abs(x), axis=(1, 2)) / 0.6745


def match_histogram(pictures: np.ndarray, references: np.ndarray) -> np.ndarray:
    """Replaces the k-th smallest value of every channel by the reference's k-th smallest."""
    shape = pictures.shape
    flat = np.moveaxis(pictures, -1, 1).reshape(shape[0], 3, -1)
    values = np.sort(np.moveaxis(references, -1, 1).reshape(shape[0], 3, -1), axis=-1)
    result = np.empty_like(values)
    np.put_along_axis(result, np.argsort(flat, axis=-1), values, axis=-1)
    return np.moveaxis(result.reshape(shape[0], 3, *shape[1:3]), 1, -1)


def _match_detail(
    pictures: np.ndarray, references: np.ndarray, local: list[np.ndarray]
) -> np.ndarray:
    """Gives the two finest bands the local variance they have in the references, by channel."""
    result = pictures
    for band, wanted in zip(_bands(pictures), _bands(references), strict=True):
        gain = (_transform(wanted**2, *local) + _FLOOR) / (_transform(band**2, *local) + _FLOOR)
        result = result + (np.minimum(np.sqrt(gain), _LARGEST_GAIN) - 1) * band
    return result


def _bands(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Diagonal detail, and the other detail of a 3x3 binomial mean; each [n, h, w, c]."""
    padded = np.pad(images, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="reflect")
    rows = (padded[:, :-2] + 2 * padded[:, 1:-1] + padded[:, 2:]) / 4
    mean = (rows[:, :, :-2] + 2 * rows[:, :, 1:-1] + rows[:, :, 2:]) / 4
    fine = padded[:, 1:-1] - rows
    diagonal = fine[:, :, 1:-1] - (fine[:, :, :-2] + 2 * fine[:, :, 1:-1] + fine[:, :, 2:]) / 4
    return diagonal, images - mean - diagonal


def _transform(images: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """`rows @ image @ columns.T` for every channel of [n, h, w, c]."""
    return np.moveaxis(rows @ np.moveaxis(images, -1, 1) @ columns.T, 1, -1)


def _cosine_matrix(length: int) -> np.ndarray:
    """Orthonormal DCT-II; float32 [length, length]."""
    position = np.arange(length)
    matrix = np.cos(np.pi * position[:, None] * (2 * position + 1) / (2 * length))
    matrix *= np.sqrt(2 / length)
    matrix[0] /= np.sqrt(2)
    return matrix.astype(np.float32)


def _rings(height: int, width: int) -> np.ndarray:
    """Number of the ring of every coefficient, 0.5 / min(height, width) wide; int [h, w]."""
    radius = np.hypot(np.arange(height)[:, None] / height, np.arange(width)[None] / width)
    return np.rint(radius * min(height, width) / 2).astype(int)


def _covariance(spectrum: np.ndarray, rings: np.ndarray) -> np.ndarray:
    """Mean product of channels i and j over every ring; float [n, rings, 3, 3]."""
    n, flat = len(spectrum), rings.ravel()
    order = np.argsort(flat, kind="stable")
    starts = np.searchsorted(flat[order], np.arange(flat.max() + 1))
    values = spectrum.reshape(n, -1, 3)[:, order]
    products = values[..., :, None] * values[..., None, :]
    totals = np.add.reduceat(products, starts, axis=1)
    return totals / np.bincount(flat)[None, :, None, None]


def _root(matrix: np.ndarray, power: float) -> np.ndarray:
    """Power of symmetric matrices [..., 3, 3], kept from singularity by a small floor."""
    values, vectors = np.linalg.eigh(matrix)
    values = (np.maximum(values, 0) + _FLOOR) ** power
    return (vectors * values[..., None, :]) @ np.swapaxes(vectors, -1, -2)
