"""How reliable probabilities and verdicts are, measured on labelled images.

Labels are int ``[n]``, 1 for generated and 0 for photographs; logits and probabilities of being
generated are float ``[n]``, verdicts str ``[n]``.
"""

from typing import Any

import numpy as np

from input_pipeline.images.transforms import DELIVERIES
from npr_jax.detectors.calibration import GENERATED, PHOTOGRAPH, Calibration
from npr_jax.evaluation import measures, tables

BINS = 15


def reliability(labels: np.ndarray, probabilities: np.ndarray) -> list[dict[str, Any]]:
    """The reliability diagram: what was said and what was so, in bins of equal width.

    For each bin that holds images: low, high, n, mean_probability, share_generated and its 95 %
    interval. Probability 1 belongs to the last bin.
    """
    places = np.minimum((np.asarray(probabilities) * BINS).astype(int), BINS - 1)
    bins = []
    for place in np.unique(places):
        inside = places == place
        count, generated = int(inside.sum()), int(labels[inside].sum())
        bins.append(
            {
                "low": place / BINS,
                "high": (place + 1) / BINS,
                "n": count,
                "mean_probability": float(probabilities[inside].mean()),
                "share_generated": generated / count,
                "interval": measures.wilson(generated, count),
            }
        )
    return bins


def calibration_error(bins: list[dict[str, Any]]) -> float:
    """Expected calibration error of a reliability diagram, in [0, 1].

    The mean over images of the difference, in each bin, between mean probability and share of
    generated images (Naeini et al., AAAI 2015; for two classes).
    """
    total = sum(row["n"] for row in bins)
    gaps = (row["n"] * abs(row["mean_probability"] - row["share_generated"]) for row in bins)
    return sum(gaps) / total


def measure_probabilities(labels: np.ndarray, probabilities: np.ndarray) -> dict[str, Any]:
    """ece, nll (nats), brier, accuracy at 0.5 and the bins of the reliability diagram."""
    bins = reliability(labels, probabilities)
    # Probabilities of exactly 0 or 1 would make the mean infinite.
    right = np.where(labels == 1, probabilities, 1 - probabilities)
    return {
        "ece": calibration_error(bins),
        "nll": float(-np.log(np.maximum(right, 1e-15)).mean()),
        "brier": float(((probabilities - labels) ** 2).mean()),
        "accuracy": float(((probabilities > 0.5) == (labels == 1)).mean()),
        "bins": bins,
    }


def verdicts_of(calibration: Calibration, logits: np.ndarray) -> np.ndarray:
    """The verdict on each logit, str of the shape of the logits."""
    found = [calibration.verdict(float(logit)) for logit in logits.ravel()]
    return np.array(found, str).reshape(logits.shape)


def measure_verdicts(labels: np.ndarray, verdicts: np.ndarray) -> dict[str, Any]:
    """How many images get a verdict, and how many of these a wrong one.

    n, n_generated, decided, decided_share, wrong, error (None where nothing is decided),
    called_generated, photographs_called_generated, called_photograph, generated_called_photograph;
    ``error_interval`` is the 95 % interval of the share of wrong ones among the decided,
    ``photographs_interval`` and ``generated_interval`` those of the share of either class that is
    called the other.
    """
    generated = labels == 1
    up, down = verdicts == GENERATED, verdicts == PHOTOGRAPH
    false_alarms, misses = int((up & ~generated).sum()), int((down & generated).sum())
    decided, wrong = int(up.sum() + down.sum()), false_alarms + misses
    return {
        "n": len(labels),
        "n_generated": int(generated.sum()),
        "decided": decided,
        "decided_share": decided / len(labels),
        "wrong": wrong,
        "error": wrong / decided if decided else None,
        "error_interval": measures.wilson(wrong, decided),
        "called_generated": int(up.sum()),
        "photographs_called_generated": false_alarms,
        "photographs_interval": measures.wilson(false_alarms, int((~generated).sum())),
        "called_photograph": int(down.sum()),
        "generated_called_photograph": misses,
        "generated_interval": measures.wilson(misses, int(generated.sum())),
    }


def measure(
    labels: np.ndarray,
    sources: np.ndarray,
    scores: np.ndarray,
    calibrated: np.ndarray,
    verdicts: np.ndarray,
) -> dict[str, Any]:
    """What a calibration is worth, over all deliveries and in each.

    before and after, as ``measure_probabilities`` has it, of the probabilities of all deliveries
    together; deliveries, the same of each and its verdicts; sources, see ``_source_rows``.

    Args:
        labels: of the images.
        sources: str ``[n]``, where photographs are from.
        scores: float ``[n, d]``, probabilities by the bare logits, in the order of ``DELIVERIES``.
        calibrated: the same, calibrated.
        verdicts: str ``[n, d]``.
    """

    def probabilities(of: np.ndarray, chosen: Any) -> dict[str, Any]:
        pairs = (("before", scores[chosen]), ("after", calibrated[chosen]))
        return {key: measure_probabilities(of, values.ravel()) for key, values in pairs}

    return {
        **probabilities(np.repeat(labels, scores.shape[1]), np.s_[:]),
        "deliveries": {
            name: {
                **probabilities(labels, np.s_[:, number]),
                "verdicts": measure_verdicts(labels, verdicts[:, number]),
            }
            for number, name in enumerate(DELIVERIES)
        },
        "sources": _source_rows(sources[labels == 0], verdicts[labels == 0] == GENERATED),
    }


def _source_rows(sources: np.ndarray, alarms: np.ndarray) -> list[dict[str, Any]]:
    """The photographs called generated, bool ``[n, d]``, of each source, the most such first.

    source, n, called_generated by delivery, worst: the delivery with most; share in that, and its
    95 % interval.
    """
    rows = []
    for source in np.unique(sources):
        mine = alarms[sources == source]
        counts = dict(zip(DELIVERIES, mine.sum(axis=0).tolist(), strict=True))
        worst = max(counts, key=lambda name: counts[name])
        rows.append(
            {
                "source": str(source),
                "n": len(mine),
                "called_generated": counts,
                "worst": worst,
                "share": counts[worst] / len(mine),
                "interval": measures.wilson(counts[worst], len(mine)),
            }
        )
    return sorted(rows, key=lambda row: -row["share"])


def verdict_rows(
    scores: tables.Scores, calibration: Calibration | None
) -> list[dict[str, Any]] | None:
    """The verdicts on each generator's images and its photographs; None without calibration."""
    if calibration is None:
        return None
    rows = []
    for group in tables.pair(scores):
        labels, logits = scores.labels[group.index], scores.logits[group.index]
        found = measure_verdicts(labels, verdicts_of(calibration, logits))
        rows.append({"generator": group.name, "pairing": group.pairing} | found)
    return rows
