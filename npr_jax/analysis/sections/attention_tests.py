"""What the weights of the scales say, tested: differences, families, mistakes."""

from __future__ import annotations

import dataclasses

from npr_jax.analysis import attention_figures, attention_words, basis, markup, style
from npr_jax.analysis.attention import Findings, study
from npr_jax.analysis.markup import escape
from npr_jax.analysis.run_results import Evaluation


def attention_tests(evaluation: Evaluation, with_figures: bool) -> list[str]:
    """Sentences and the distributions; of systems that weigh their scales only."""
    if evaluation.scores.weights is None:
        return []
    findings = study(evaluation.scores)
    said = "".join(f"<li>{escape(text)}</li>" for text in attention_words.sentences(findings))
    parts = [markup.heading("Attention: what the weights say", level=3), f"<ul>{said}</ul>"]
    if with_figures:
        measured = basis.measured_on(evaluation.results)
        parts += [
            markup.note(
                "Where the weights of how many images lie, with the median; photographs "
                "blue, generated orange."
            ),
            markup.panels(
                [_panel(findings, place, measured) for place in range(len(findings.scales))]
            ),
        ]
    return parts


def _panel(findings: Findings, place: int, measured: str) -> tuple[str, str]:
    """The distributions of one scale's weight, and what they show."""
    kinds = [
        dataclasses.replace(kind, weights=kind.weights[:, place : place + 1])
        for kind in findings.kinds
    ]
    scale = findings.scales[place]
    one = dataclasses.replace(findings, scales=(scale,), kinds=kinds)
    with style.styled():
        drawing = style.svg(attention_figures.violins(one, measured))
    return drawing, f"Distribution of the weight of scale {scale}"
