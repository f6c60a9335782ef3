"""What the weights of the scales say, tested: differences, families, mistakes."""

from __future__ import annotations

from npr_jax.analysis import attention_figures, attention_words, basis, markup, style
from npr_jax.analysis.attention import study
from npr_jax.analysis.markup import escape
from npr_jax.analysis.run import Evaluation


def attention_tests(evaluation: Evaluation, with_figures: bool) -> list[str]:
    """Sentences and the distributions; of systems that weigh their scales only."""
    if evaluation.scores.weights is None:
        return []
    findings = study(evaluation.scores)
    said = "".join(f"<li>{escape(text)}</li>" for text in attention_words.sentences(findings))
    parts = [markup.heading("Attention: what the weights say", level=3), f"<ul>{said}</ul>"]
    if with_figures:
        measured = basis.measured_on(evaluation.results)
        with style.styled():
            drawing = style.svg(attention_figures.violins(findings, measured))
        alt = "Distributions of the weights of the scales"
        parts.append(markup.figure(drawing, alt, f"{alt}: photographs blue, generated orange."))
    return parts
