"""Cheap ways out: classifiers that must not tell the classes apart, and how well they do.

Each looks at one thing that has nothing to do with up-sampling as a relation between neighbouring
pixels. Folds are made of whole scenes: a photograph and the generated image of the same scene are
never on both sides.
"""

from collections.abc import Sequence

import numpy as np
from sklearn import ensemble, linear_model, metrics, model_selection, pipeline, preprocessing

from input_pipeline.storage import records

_FOLDS = 5


def measure(
    photographs: Sequence[records.ImageRecord], generated: Sequence[records.ImageRecord]
) -> dict[str, float]:
    """{classifier: max(AUC, 1 - AUC)}, cross-validated over scenes; 0.5 is chance.

    Args:
        photographs: records of photographs, image i of scene i.
        generated: records of generated images of the same scenes in the same order.
    """
    both, sizes = [*photographs, *generated], (len(photographs), len(generated))
    labels, scene = np.repeat([0, 1], sizes), np.concatenate([np.arange(n) for n in sizes])
    images = [records.image_array(record) for record in both]
    values = {"metadata": np.array([metadata(record) for record in both])}
    for describe in (colour_histogram, noise_variance, power_spectrum):
        values[describe.__name__] = np.array([describe(image) for image in images])
    return {name: cross_validated_auc(x, labels, scene) for name, x in values.items()}


def metadata(record: records.ImageRecord) -> np.ndarray:
    """What a record tells without its pixels: storage, height, width, bytes; float64 [4]."""
    encoded = float(record.storage == "encoded")
    return np.array([encoded, record.height, record.width, len(record.image)], np.float64)


def colour_histogram(image: np.ndarray) -> np.ndarray:
    """Shares of 16 levels per channel of uint8 [h, w, 3], square roots; float64 [48]."""
    levels = np.clip(image // 16, 0, 15).reshape(-1, 3)
    counts = [np.bincount(levels[:, channel], minlength=16) for channel in range(3)]
    return np.sqrt(np.concatenate(counts) / len(levels))


def noise_variance(image: np.ndarray) -> np.ndarray:
    """Log variance of the noise of uint8 [h, w, 3], by channel, two estimates; float64 [6].

    The mean square and the median of what Immerkaer's 3x3 mask leaves (CVIU 1996).
    """
    x = image.astype(np.float64)
    x = x[:-2] - 2 * x[1:-1] + x[2:]
    x = (x[:, :-2] - 2 * x[:, 1:-1] + x[:, 2:]) / 6
    robust = (np.median(np.abs(x), axis=(0, 1)) / 0.6745) ** 2
    return np.log(np.concatenate([(x**2).mean(axis=(0, 1)), robust]) + 0.01)


def power_spectrum(image: np.ndarray) -> np.ndarray:
    """Log power of the grey image averaged over azimuth, 24 rings; float64 [24]."""
    grey = image.astype(np.float64).mean(axis=-1)
    grey -= grey.mean()
    window = np.hanning(grey.shape[0])[:, None] * np.hanning(grey.shape[1])[None]
    power = np.abs(np.fft.rfft2(grey * window)) ** 2
    radius = np.hypot(np.fft.fftfreq(grey.shape[0])[:, None], np.fft.rfftfreq(grey.shape[1])[None])
    ring = np.minimum(radius / 0.5 * 22, 23).astype(int).ravel()
    total = np.bincount(ring, power.ravel(), minlength=24)
    return np.log(total / np.maximum(np.bincount(ring, minlength=24), 1) + 1.0)


def cross_validated_auc(features: np.ndarray, labels: np.ndarray, scene: np.ndarray) -> float:
    """max(AUC, 1 - AUC) of a regression and a forest together, on scenes they have not seen.

    Args:
        features: float [n, d].
        labels: int [n], 0 or 1.
        scene: int [n], number of the scene.
    """
    folds = min(_FOLDS, len(np.unique(scene)))
    if folds < 2 or np.all(features == features[0]):
        return 0.5
    scores = np.zeros(len(labels))
    for train, test in model_selection.GroupKFold(folds).split(features, labels, scene):
        regression = linear_model.LogisticRegression(C=1.0, max_iter=2000)
        forest = ensemble.ExtraTreesClassifier(50, min_samples_leaf=3, random_state=0)
        scaled = pipeline.make_pipeline(preprocessing.StandardScaler(), regression)
        for model in (scaled, forest):
            model.fit(features[train], labels[train])
            scores[test] += model.predict_proba(features[test])[:, 1]
    auc = float(metrics.roc_auc_score(labels, scores))
    return max(auc, 1 - auc)
