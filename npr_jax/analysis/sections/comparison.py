"""All evaluations of a run in one table."""

from npr_jax.analysis import basis, markup, summary
from npr_jax.analysis.run_results import Run


def comparison(run: Run) -> list[str]:
    """A row per evaluation, where there are several."""
    if len(run.evaluations) < 2:
        return []
    one_run = basis.one_run(run.evaluations[0].results["meta"])
    rows = []
    for evaluation in run.evaluations:
        results = evaluation.results
        mean = results["mean"] or {}
        rows.append(
            [
                markup.head(evaluation.name),
                markup.text(str(results["meta"].get("delivery") or "–")),
                markup.cell(str(results["n_photographs"])),
                markup.cell(str(results["n_generated"])),
                markup.cell(str(mean.get("n_generators", 0))),
                *(markup.share(mean.get(metric)) for metric in ("accuracy", "ap", "auc")),
                markup.share(summary.false_alarms(results)[0]),
            ]
        )
    head = ["evaluation", "delivery", "photographs", "generated", "generators"]
    head += ["mean accuracy", "mean AP", "mean AUC", "photographs called generated"]
    caption = (
        f"{len(rows)} evaluations; unweighted means over generators, controls left out; {one_run}."
    )
    return [markup.heading("All evaluations"), markup.table(head, rows, caption)]
