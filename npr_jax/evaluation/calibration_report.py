"""What a calibration is worth, in words for the terminal."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from npr_jax.evaluation.calibration_fit import fewest_decided


def in_words(results: Mapping[str, Any]) -> str:
    """A few lines from what `npr_jax.evaluation.calibrate` keeps."""
    return "\n".join(
        [
            _images(results),
            _scaling(results),
            *_sides(results),
            _verdicts(results),
            _threshold(results),
        ]
    )


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
    width = max(len("generator"), *(len(row["generator"]) for row in rows))
    heads = ("images", "decided", "error", "called generated", "called photograph")
    lines = ["calibrated verdicts, in % of a row's images; error: of those decided"]
    lines.append(f"{'generator':{width}}  " + "  ".join(heads))
    for row in rows:
        cells = [
            str(row["n"]),
            f"{100 * row['decided_share']:.1f}",
            "-" if row["error"] is None else f"{100 * row['error']:.1f}",
            f"{100 * row['called_generated'] / row['n']:.1f}",
            f"{100 * row['called_photograph'] / row['n']:.1f}",
        ]
        columns = [f"{text:>{len(head)}}" for text, head in zip(cells, heads, strict=True)]
        lines.append(f"{row['generator']:{width}}  " + "  ".join(columns))
    return "\n".join(lines)


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %" if share >= 0.001 or not share else f"{100 * share:.2g} %"


def _interval(bounds: Sequence[float] | None) -> str:
    if not bounds:
        return ""
    return f" (95 % interval {100 * bounds[0]:.1f} to {100 * bounds[1]:.1f})"
