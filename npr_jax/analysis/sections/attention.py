"""Weights of the scales, per generator and for photographs."""

from npr_jax.analysis import basis, figures, markup
from npr_jax.analysis.markup import escape
from npr_jax.analysis.run_results import Evaluation

EXPLANATION = (
    "Softmax weights, which add up to 1 for each image. At sizes divisible by 4 the residuals at "
    "0.5 and 0.75 are linear functions of the one at 0.25: a weight says which branch is listened "
    "to, not where information is."
)


def attention(evaluation: Evaluation, with_figures: bool) -> list[str]:
    """Mean and deviation of each scale's weight; of systems with such weights only."""
    weights = evaluation.results["attention"]
    if not weights:
        return []
    rows = []
    for row in weights["rows"]:
        kind = "generated" if row["label"] else "photographs"
        cells = [markup.head(row["generator"]), markup.text(kind), markup.cell(str(row["n"]))]
        for mean, std in zip(row["mean"], row["std"], strict=True):
            cells.append(markup.cell(f"{mean:.3f}", f"± {std:.3f}"))
        rows.append(cells)
    head = ["generator", "class", "images"]
    head += [f"scale {escape(scale)}" for scale in weights["scales"]]
    measured = basis.measured_on(evaluation.results)
    caption = f"Weight of each scale: mean, ± standard deviation over images. {measured}"
    drawing = ""
    if with_figures:
        alt = "Mean weight of each scale for photographs (blue names) and generators (red names)"
        drawing = markup.figure(figures.attention_figure(weights), alt, f"{alt}. {measured}")
    table = markup.table(head, rows, caption)
    return [
        markup.heading("Attention: weights of the scales", level=3),
        markup.note(EXPLANATION),
        f'<div class="beside">{drawing}{table}</div>',
    ]
