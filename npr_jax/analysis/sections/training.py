"""Training curves."""

from npr_jax.analysis import basis, figures, markup
from npr_jax.analysis.run_results import Run

ORDER = ("loss", "accuracy", "ap", "auc", "learning_rate", "images_per_second")
MAX_PANELS = 12


def training(run: Run) -> list[str]:
    """Every metric over training steps, of this one run."""
    names = [name for name in ORDER if name in run.curves]
    names += sorted(set(run.curves) - set(names))
    drawings = [
        (figures.curve_panel(name, run.curves[name]), f"{name} over training steps")
        for name in names[:MAX_PANELS]
    ]
    if not drawings:
        return []
    meta = run.evaluations[0].results["meta"] if run.evaluations else {}
    said = markup.note(basis.trained_on(meta, run.config))
    return [markup.heading("Training"), said, markup.panels(drawings)]
