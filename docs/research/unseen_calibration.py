"""What probabilities are worth for a generator that they were not fitted to.

Of a table of logits each generator is left out in turn, with a share of the photographs: their
probabilities come of temperature and bias that were fitted to all others, in all deliveries.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from npr_jax.detectors.calibration import probabilities
from npr_jax.evaluation.calibration_fit import fit_scaling
from npr_jax.evaluation.calibration_measures import measure_probabilities

DRAWS = 50


def crosswise_probabilities(
    labels: np.ndarray, sources: np.ndarray, logits: Mapping[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """Probabilities of being generated, {delivery: float [n]}.

    Args:
        labels: int [n], 0 photograph, 1 generated.
        sources: str [n], the generator of those generated; there must be two at least.
        logits: {delivery: float [n]}.
    """
    generators = sorted(set(sources[labels == 1]))
    left_out = np.array(
        [generators.index(s) if y else -1 for s, y in zip(sources, labels, strict=True)]
    )
    photographs = np.flatnonzero(labels == 0)
    left_out[photographs] = np.arange(len(photographs)) % len(generators)
    stacked = np.stack(list(logits.values()), axis=1)
    found = np.empty(stacked.shape)
    for one in range(len(generators)):
        others = left_out != one
        temperature, bias = fit_scaling(
            np.repeat(labels[others], stacked.shape[1]), stacked[others].ravel()
        )
        found[~others] = probabilities(stacked[~others] / temperature + bias)
    return dict(zip(logits, found.T, strict=True))


def error_of_perfect(probabilities: np.ndarray) -> float:
    """Mean expected calibration error where labels are drawn with just these probabilities.

    With so many images it is not zero: the share of generated images in a bin varies by chance.
    """
    rng = np.random.default_rng(0)
    drawn = (rng.random((DRAWS, len(probabilities))) < probabilities).astype(np.int64)
    return float(np.mean([measure_probabilities(one, probabilities)["ece"] for one in drawn]))
