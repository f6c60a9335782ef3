"""The top of the page: the figures one quotes, in plain words, and what they do not tell."""

from npr_jax.analysis import basis, figures, markup, summary
from npr_jax.analysis.calibrations import is_calibrated
from npr_jax.analysis.markup import escape
from npr_jax.analysis.run_results import Evaluation, Run

MAX_NAMES = 24  # generators in the overview


def in_short(run: Run) -> list[str]:
    """Headline figures, sentences, an overview of all generators, and the limits."""
    if not run.evaluations:
        return [markup.note("No evaluation yet: this page shows what else there is so far.")]
    evaluation = run.evaluations[0]
    results = evaluation.results
    tiles = "".join(
        f'<div class="tile"><b>{escape(value)}</b><span>{escape(what)}</span>'
        f'<span class="soft">{escape(count)}</span></div>'
        for value, what, count in summary.headline(results)
    )
    said = "".join(
        f"<dt>{escape(heading)}</dt><dd>{escape(text)}</dd>"
        for heading, text in summary.sentences(results)
    )
    limits = summary.limits(results, calibrated=is_calibrated(run, evaluation))
    cannot = "".join(f"<li>{escape(text)}</li>" for text in limits)
    return [
        f'<div class="tiles">{tiles}</div>',
        markup.note(
            f"Measured on “{evaluation.name}”. {basis.measured_on(results)} AP (average precision) "
            "and AUC rank images: 100 % means that every generated image scores above every "
            "photograph; AUC 50 % is chance."
        ),
        markup.heading("In short"),
        f'<div class="beside"><dl>{said}</dl>{_overview(evaluation)}</div>',
        markup.heading("What this detector cannot tell"),
        f"<ul>{cannot}</ul>",
    ]


def _overview(evaluation: Evaluation) -> str:
    results = evaluation.results
    rows = sorted(results["generators"], key=lambda row: not row["trained"])[:MAX_NAMES]
    if not rows:
        return ""
    series = {
        name: [row[key] for row in rows]
        for name, key in (("AP", "ap"), ("accuracy at 0.5", "accuracy"))
    }
    names = [row["generator"] + " *" * row["trained"] for row in rows]
    alt = "AP and accuracy on each generator"
    drawing = figures.dot_figure(names, series, "percent; * = trained on", alt)
    caption = f"{alt}; control families are left out. {basis.measured_on(results)}"
    return markup.figure(drawing, alt, caption)
