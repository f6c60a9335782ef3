"""ROC curves and histograms of logits, one panel per generator."""

from npr_jax.analysis import basis, figures, markup, summary
from npr_jax.analysis.run_results import Evaluation
from npr_jax.evaluation import tables

MAX_PANELS = 24  # of each kind


def scores(evaluation: Evaluation, with_figures: bool) -> list[str]:
    """How the scores of each generator lie beside those of its photographs."""
    if not with_figures:
        return []
    values, results = evaluation.scores, evaluation.results
    known = {row["generator"]: row for row in [*results["generators"], *results["control"]]}
    groups = {group.name: group for group in tables.pair(values)}
    shown = [groups[name] for name in known if name in groups][:MAX_PANELS]
    limits = figures.logit_range(values.logits)
    curves, histograms = [], []
    for group in shown:
        row = known[group.name]
        labels, logits = values.labels[group.index], values.logits[group.index]
        if row["auc"] is not None:
            alt = f"ROC curve of {group.name}, AUC {summary.percent(row['auc'])}"
            curves.append((figures.roc_panel(row, labels, logits), alt))
        alt = f"Logits of {group.name} and of its photographs"
        histograms.append((figures.histogram_panel(row, labels, logits, limits), alt))
    more = f" {basis.measured_on(results)}"
    if len(groups) > len(shown):
        more += f" The first {len(shown)} of {len(groups)} generators are drawn."
    parts = []
    if curves:
        what = (
            "How many generated images are found for how many false alarms, over all thresholds; "
            "the dot is the threshold 0.5."
        )
        parts += [markup.heading("ROC curves", level=3), markup.note(what + more)]
        parts.append(markup.panels(curves))
    low, high = (f"{limit:.1f}".replace("-", "−") for limit in limits)
    what = (
        f"One axis for all: logits from {low} to {high}; the few outside are in the outermost bars."
    )
    parts += [markup.heading("Scores", level=3), markup.note(what + more)]
    return [*parts, markup.panels(histograms)]
