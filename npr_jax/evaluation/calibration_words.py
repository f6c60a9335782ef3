"""What a calibration and its verdicts are worth, in words."""

from collections.abc import Mapping, Sequence
from typing import Any

from npr_jax.detectors.calibration import from_json
from npr_jax.evaluation import tables
from npr_jax.evaluation.calibration_fit import fewest


def in_words(results: Mapping[str, Any]) -> str:
    """A few lines from what `npr_jax.evaluation.calibrate` keeps."""
    measured = results["measured"]
    deliveries = [
        f"{name}: {_probabilities(found)}; {_verdicts(found['verdicts'])}"
        for name, found in measured["deliveries"].items()
    ]
    scaling = f"temperature {results['temperature']:.3g}, bias {results['bias']:.3g}"
    parts = [_images(results), f"{scaling}: {_probabilities(measured)}"]
    return "\n".join([*parts, *_limits(results), *deliveries, _sources(measured["sources"])])


def _images(results: Mapping[str, Any]) -> str:
    text = (
        f"{results['meta']['images']}: {results['n_photographs']} photographs and "
        f"{results['n_generated']} generated images, each as "
        f"{', '.join(results['measured']['deliveries'])}; fitted to all, measured on either half "
        "with a calibration fitted to the other"
    )
    if results.get("limits_kept"):  # which earlier versions do not say
        text += "; the limits of the verdicts are those of the calibration before"
    if results["too_small"]:
        text += f"; {results['too_small']} images could not be scored"
    return text


def _probabilities(measured: Mapping[str, Any]) -> str:
    before, after = measured["before"], measured["after"]
    return (
        f"expected calibration error {_percent(before['ece'])} before, {_percent(after['ece'])} "
        f"after; accuracy at 0.5 {_percent(before['accuracy'])} before, "
        f"{_percent(after['accuracy'])} after"
    )


def _limits(results: Mapping[str, Any]) -> list[str]:
    target, said = results["target_error"], []
    for key, verdict, count, others in (
        ("generated_from", "generated from", "n_photographs", "photographs"),
        ("photograph_to", "photograph up to", "n_generated", "generated images"),
    ):
        logit = results[key]
        if logit is None:
            said.append(
                f"no image will be called {verdict.split()[0]}: to call at most {_percent(target)} "
                f"of {others} so takes at least {fewest(target)} of them, there are "
                f"{results[count]}"
            )
        else:
            probability = float(from_json(results).probabilities(logit))
            said.append(f"called {verdict} a probability of {probability:.4f} (logit {logit:.4g})")
    return said


def _verdicts(found: Mapping[str, Any]) -> str:
    generated, alarms = found["n_generated"], found["photographs_called_generated"]
    photographs, misses = found["n"] - generated, found["generated_called_photograph"]
    return (
        f"{alarms} of {photographs} photographs called generated "
        f"{_share(alarms, photographs, found['photographs_interval'])} and "
        f"{found['called_photograph'] - misses} photograph; "
        f"{misses} of {generated} generated images called photograph "
        f"{_share(misses, generated, found['generated_interval'])} and "
        f"{found['called_generated'] - alarms} generated"
    )


def _sources(rows: Sequence[Mapping[str, Any]]) -> str:
    shares = []
    for row in rows:
        alarms = row["called_generated"][row["worst"]]
        shares.append(
            f"{row['source'] or 'unnamed'} {alarms} of {row['n']} in {row['worst']} "
            + _share(alarms, row["n"], row["interval"])
        )
    return f"photographs called generated, by source in its worst delivery: {', '.join(shares)}"


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


def _share(part: int, count: int, interval: Sequence[float]) -> str:
    low, high = (f"{100 * bound:.1f}" for bound in interval)
    return f"({_percent(part / count)}; 95 % interval {low} to {high})"


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %" if share >= 0.001 or not share else f"{100 * share:.2g} %"
