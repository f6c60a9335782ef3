"""What the calibrated probabilities and verdicts of a run are worth, as `calibrate` measured it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from npr_jax.analysis import markup, summary
from npr_jax.analysis.calibrations import read_calibrations
from npr_jax.analysis.reliability import svg_of
from npr_jax.analysis.run_results import Run
from npr_jax.evaluation.calibration_measures import in_words

MAX_FIGURES = 3  # those beyond get their tables without figures, to keep the page small
EXPLANATION = (
    "Probability of being generated: sigmoid(logit / temperature + bias). One half of the images "
    "was fitted on, all numbers are of the other half. Calibration error: mean difference between "
    "the probability said and the share that was so, in 15 bins of equal width (ECE). NLL: "
    "negative log-likelihood; Brier: mean squared error of the probability. It holds for images "
    "like these: in generators, deliveries and share of generated images."
)


def calibration(run: Run) -> list[str]:
    """Each checkpoint's calibration, the latest first; nothing where there is none.

    Raises:
        ValueError: a file of `calibrate` is not JSON.
    """
    found = read_calibrations(run.workdir)
    if not found:
        return []
    parts = [markup.heading("Calibration"), markup.note(EXPLANATION)]
    if any(summary.simulated(results["meta"]) for results in found.values()):
        parts.append(markup.note(summary.SIMULATED))
    for number, (step, results) in enumerate(found.items()):
        parts += _checkpoint(step, results, with_figure=number < MAX_FIGURES)
    return parts


def _checkpoint(step: int, results: Mapping[str, Any], *, with_figure: bool) -> list[str]:
    counts, meta = results["measured_on"], results["meta"]
    measured = (
        f"{counts['n_photographs']:,} photographs and {counts['n_generated']:,} generated images "
        f"of {meta['images']}; one run, seed {meta['seed']}, step {step}"
    )
    parts = [markup.heading(f"Checkpoint of step {step:,}", level=3)]
    said = "".join(f"<li>{markup.escape(line)}.</li>" for line in in_words(results).splitlines())
    parts.append(f"<ul>{said}</ul>")
    if with_figure:
        alt = f"Reliability diagram, step {step}"
        caption = f"Reliability before and after calibration: {measured}."
        parts.append(markup.figure(svg_of(results), alt, caption, wide=True))
    return [*parts, _probabilities(results, measured), _verdicts(results, measured)]


def _probabilities(results: Mapping[str, Any], measured: str) -> str:
    rows = []
    scalings = {"before": (1.0, 0.0), "after": (results["temperature"], results["bias"])}
    for key, scaling in scalings.items():
        found = results["measured"][key]
        cells = [markup.head(f"{key} calibration")]
        cells += [markup.cell(f"{number:.3g}".replace("-", "−")) for number in scaling]
        cells.append(markup.share(found["ece"]))
        cells += [markup.cell(f"{found[name]:.3f}") for name in ("nll", "brier")]
        rows.append([*cells, markup.share(found["accuracy"])])
    head = ["", "temperature", "bias", "calibration error", "NLL (nats)", "Brier"]
    return markup.table([*head, "accuracy at 0.5"], rows, f"Probabilities. {measured}.")


def _verdicts(results: Mapping[str, Any], measured: str) -> str:
    found = results["measured"]["verdicts"]
    alarms, misses = found["photographs_called_generated"], found["generated_called_photograph"]
    called = {
        "generated": (found["called_generated"], alarms, None),
        "photograph": (found["called_photograph"], misses, None),
        "either": (found["decided"], found["wrong"], found["error_interval"]),
    }
    rows = []
    for verdict, (count, wrong, interval) in called.items():
        share = wrong / count if count else None
        cells = [markup.head(verdict), markup.cell(f"{count:,}")]
        cells += [markup.share(count / found["n"]), markup.cell(str(wrong))]
        rows.append([*cells, markup.share(share, interval)])
    head = ["verdict", "images", "of all", "wrong", "error"]
    caption = (
        f"Verdicts. {measured}; the others are unsure. At most "
        f"{summary.percent(results['target_error'])} of a verdict were asked to be wrong; small "
        "print: 95 % interval (Wilson)."
    )
    return markup.table(head, rows[:-1], caption, fixed=rows[-1:])
