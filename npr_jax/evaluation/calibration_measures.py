"""How far probabilities and verdicts can be relied on, measured on labelled images."""

from __future__ import annotations

from typing import Any

import numpy as np

from npr_jax.detectors.calibration import GENERATED, PHOTOGRAPH, Calibration
from npr_jax.evaluation import measures, tables

BINS = 15


def reliability(labels: np.ndarray, probabilities: np.ndarray) -> list[dict[str, Any]]:
    """The reliability diagram: what was said and what was so, in bins of equal width.

    Args:
        labels: int [n]; 1 generated, 0 photograph.
        probabilities: float [n] of being generated; 1 belongs to the last bin.

    Returns:
        For each bin that holds images: low, high, n, mean_probability, share_generated and its 95 %
        interval.
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


def measure_verdicts(
    calibration: Calibration, labels: np.ndarray, logits: np.ndarray
) -> dict[str, Any]:
    """How many images get a verdict, and how many of these a wrong one.

    Args:
        calibration: gives the verdicts.
        labels: int [n]; 1 generated, 0 photograph.
        logits: float [n].

    Returns:
        n, n_generated, decided, decided_share, wrong, error and its 95 % interval (None where
        nothing is decided), called_generated, photographs_called_generated, called_photograph,
        generated_called_photograph.
    """
    verdicts = np.array([calibration.verdict(float(logit)) for logit in logits], str)
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
        "called_photograph": int(down.sum()),
        "generated_called_photograph": misses,
    }


def verdict_rows(
    scores: tables.Scores, calibration: Calibration | None
) -> list[dict[str, Any]] | None:
    """The verdicts on each generator's images and its photographs; None without calibration."""
    if calibration is None:
        return None
    rows = []
    for group in tables.pair(scores):
        labels, logits = scores.labels[group.index], scores.logits[group.index]
        found = measure_verdicts(calibration, labels, logits)
        rows.append({"generator": group.name, "pairing": group.pairing} | found)
    return rows


def measure_threshold(
    labels: np.ndarray, logits: np.ndarray, threshold: float | None
) -> dict[str, Any] | None:
    """Shares above a logit: of photographs, with its 95 % interval, and of generated images."""
    if threshold is None:
        return None
    photographs, above = labels == 0, logits > threshold
    alarms, count = int((above & photographs).sum()), int(photographs.sum())
    return {
        "false_positive_rate": alarms / count,
        "interval": measures.wilson(alarms, count),
        "n_photographs": count,
        "found": float(above[~photographs].mean()),
    }
