"""How reliable probabilities and verdicts are: measured on labelled images, and in words.

Labels are int ``[n]``, 1 for generated and 0 for photographs; logits and probabilities of being
generated are float ``[n]``.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from npr_jax.detectors.calibration import GENERATED, PHOTOGRAPH, Calibration
from npr_jax.evaluation import measures, tables
from npr_jax.evaluation.calibration_fit import fewest_decided

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


def measure_verdicts(
    calibration: Calibration, labels: np.ndarray, logits: np.ndarray
) -> dict[str, Any]:
    """How many images get a verdict, and how many of these a wrong one.

    n, n_generated, decided, decided_share, wrong, error and its 95 % interval (None where nothing
    is decided), called_generated, photographs_called_generated, called_photograph,
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


def in_words(results: Mapping[str, Any]) -> str:
    """A few lines from what `npr_jax.evaluation.calibrate` keeps."""
    parts = [_images(results), _scaling(results), *_sides(results)]
    return "\n".join([*parts, _verdicts(results), _threshold(results)])


def _images(results: Mapping[str, Any]) -> str:
    fit, rest = results["fitted_on"], results["measured_on"]
    shares = ", ".join(f"{count} {name}" for name, count in rest["deliveries"].items())
    text = (
        f"{results['meta']['images']}: fitted on {fit['n_photographs']} photographs and "
        f"{fit['n_generated']} generated images, measured on {rest['n_photographs']} and "
        f"{rest['n_generated']} others ({shares})"
    )
    if results["too_small"]:
        text += f"; {results['too_small']} images could not be scored"
    return text


def _scaling(results: Mapping[str, Any]) -> str:
    before, after = results["measured"]["before"], results["measured"]["after"]
    right = [_percent(part["accuracy"]) for part in (before, after)]
    return (
        f"temperature {results['temperature']:.3g}, bias {results['bias']:.3g}: expected "
        f"calibration error {_percent(before['ece'])} before, {_percent(after['ece'])} after; "
        f"accuracy at 0.5 {right[0]} before, {right[1]} after"
    )


def _sides(results: Mapping[str, Any]) -> list[str]:
    target = results["target_error"]
    said = []
    for key, verdict in (("generated_from", "generated"), ("photograph_to", "photograph")):
        if results[key] is None:
            said.append(
                f"no image will be called {verdict}: among the surest images for it, errors are "
                f"not shown to stay below {_percent(target)} (that takes {fewest_decided(target)} "
                "images without an error, or more with some)"
            )
    return said


def _verdicts(results: Mapping[str, Any]) -> str:
    found = results["measured"]["verdicts"]
    if not found["decided"]:
        return f"verdicts: all {found['n']} images measured are unsure"
    return (
        f"verdicts: {found['decided']} of {found['n']} images measured are decided "
        f"({_percent(found['decided_share'])}), {found['wrong']} of them wrongly: "
        f"{_percent(found['error'])}{_interval(found['error_interval'])}, asked were at most "
        f"{_percent(results['target_error'])}; {found['photographs_called_generated']} of "
        f"{found['called_generated']} called generated are photographs, "
        f"{found['generated_called_photograph']} of {found['called_photograph']} called photograph "
        "are generated"
    )


def _threshold(results: Mapping[str, Any]) -> str:
    wanted, found = results["threshold"], results["measured"]["threshold"]
    rate = wanted["false_positive_rate"]
    if found is None:
        needed = math.ceil(1 / rate - 1e-9) - 1
        return (
            f"no threshold for {_percent(rate)} of photographs: it takes at least {needed} "
            f"photographs to fit, there are {results['fitted_on']['n_photographs']}"
        )
    return (
        f"threshold for {_percent(rate)} of photographs: probability {wanted['probability']:.4f} "
        f"(logit {wanted['logit']:.4g}); of the photographs measured "
        f"{_percent(found['false_positive_rate'])}{_interval(found['interval'])} lie above it, of "
        f"the generated images {_percent(found['found'])}"
    )


def format_verdicts(rows: Sequence[Mapping[str, Any]]) -> str:
    """The calibrated verdicts of an evaluation, a line per generator."""
    heads = ("generator", "images", "decided", "error", "called generated", "called photograph")
    lines = [
        (
            row["generator"],
            str(row["n"]),
            f"{100 * row['decided_share']:.1f}",
            "-" if row["error"] is None else f"{100 * row['error']:.1f}",
            f"{100 * row['called_generated'] / row['n']:.1f}",
            f"{100 * row['called_photograph'] / row['n']:.1f}",
        )
        for row in rows
    ]
    title = "calibrated verdicts, in % of a row's images; error: of those decided"
    return f"{title}\n{tables.aligned(heads, lines)}"


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %" if share >= 0.001 or not share else f"{100 * share:.2g} %"


def _interval(bounds: Sequence[float] | None) -> str:
    if not bounds:
        return ""
    return f" (95 % interval {100 * bounds[0]:.1f} to {100 * bounds[1]:.1f})"
