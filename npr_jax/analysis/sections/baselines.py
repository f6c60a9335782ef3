"""The detector beside classifiers that do not look for up-sampling."""

from npr_jax.analysis import basis, figures, markup
from npr_jax.analysis.markup import escape
from npr_jax.analysis.run_results import Evaluation
from npr_jax.evaluation import tables


def baselines(evaluation: Evaluation, with_figures: bool) -> list[str]:
    """AUC of the cheap classifiers, where the evaluation has them."""
    rows = tables.baseline_rows(evaluation.results)
    if not rows:
        return []
    classifiers = list(dict.fromkeys(name for _, _, values in rows for name in values))
    lines = [
        [
            markup.head(family),
            markup.share(auc),
            *(markup.share(values.get(name)) for name in classifiers),
        ]
        for family, auc, values in rows
    ]
    head = ["family", "detector", *(escape(name.replace("_", " ")) for name in classifiers)]
    what = "AUC of the detector and of cheap classifiers on each family"
    measured = basis.measured_on(evaluation.results)
    drawing = ""
    if with_figures:
        series: dict[str, list[float | None]] = {"detector": [auc for _, auc, _ in rows]}
        series |= {name: [values.get(name) for *_, values in rows] for name in classifiers}
        names = [family for family, *_ in rows]
        title = "AUC beside cheap classifiers"
        drawing = figures.dot_figure(names, series, "AUC (%); 50 = chance", title)
        drawing = markup.figure(drawing, what, f"{what}. {measured}")
    table = markup.table(head, lines, f"{what}. {measured}")
    return [
        markup.heading("AUC beside cheap classifiers", level=3),
        markup.note(
            "What could be detected without looking for up-sampling. Near 50 % means that the data "
            "offer no such way out."
        ),
        f'<div class="beside">{drawing}{table}</div>',
    ]
