"""The most confident mistakes, as a gallery, and what predicts one."""

from __future__ import annotations

from itertools import groupby

from npr_jax.analysis import basis, markup, style
from npr_jax.analysis.conclusions import format_p
from npr_jax.analysis.failure_files import FOLDER, write_failures
from npr_jax.analysis.failures import CLASSES, FEATURES, Failures, Mistake, find_failures, sentences
from npr_jax.analysis.markup import escape
from npr_jax.analysis.run_results import Evaluation, Run
from npr_jax.evaluation.mistakes import most_confident

MAX_SHOWN = 40  # images; the page stays small, the files beside it have all


def failures(run: Run) -> list[str]:
    """Of the leading evaluation; also writes the files beside the page."""
    if not run.evaluations:
        return []
    evaluation = run.evaluations[0]
    found = find_failures(evaluation, run.workdir / "evaluation" / evaluation.name)
    write_failures(run.workdir, evaluation, found)
    said = "".join(f"<li>{escape(text)}</li>" for text in sentences(found))
    measured = basis.measured_on(evaluation.results)
    return [
        markup.heading("What it gets wrong"),
        f"<ul>{said}</ul>",
        *_table(found, measured),
        *_gallery(found, evaluation),
    ]


def _table(found: Failures, measured: str) -> list[str]:
    rows = []
    for one in found.predictors:
        value = one.separation
        rows.append(
            [
                markup.head(FEATURES[value.name]),
                markup.text(CLASSES[one.label]),
                markup.cell(f"{value.auc:.3f}", f"{value.low:.3f}–{value.high:.3f}"),
                markup.cell(format_p(one.p_value).removeprefix("p = ")),
                markup.cell(str(value.n_with)),
                markup.cell(str(value.n_without)),
                markup.cell(str(value.n_groups)),
            ]
        )
    if not rows:
        return []
    head = ["feature", "mistakes", "AUC", "p after Holm", "wrong", "right", "generators"]
    caption = (
        "Which features predict a mistake. AUC: of two images of one generator, one called wrong "
        "and one right, how often the wrong one has more of it; 0.5: no more often than not; "
        "small print: 95 % bootstrap interval. Controls are left out. "
        f"{measured}"
    )
    return [markup.table(head, rows, caption)]


def _gallery(found: Failures, evaluation: Evaluation) -> list[str]:
    """One box per kind, the images in a row."""
    scores = evaluation.scores
    rows = set(most_confident(scores, most=MAX_SHOWN))
    shown = [one for one in found.mistakes if one.image is not None and one.row in rows]
    if not shown:
        return []
    parts = [
        markup.heading("The most confident mistakes", level=3),
        markup.note(
            f"{len(shown)} of {sum(wrong for wrong, _ in found.counts.values())}, the most "
            "confident of each kind, reduced to be looked at. With more of them and all of their "
            f"metadata: {FOLDER}/{evaluation.name}/failures.csv."
        ),
    ]
    for (label, name), kind in groupby(
        shown, key=lambda one: (int(scores.labels[one.row]), str(scores.generators[one.row]))
    ):
        tiles = "".join(_tile(one, evaluation) for one in kind)
        what = "photographs called generated" if label == 0 else "called photographs"
        parts.append(
            f'<div class="sample"><p><b>{escape(name)}</b>: {what}</p>'
            f'<div class="tilesrow">{tiles}</div></div>'
        )
    return parts


def _tile(one: Mistake, evaluation: Evaluation) -> str:
    scores = evaluation.scores
    facts = one.facts
    words = [str(scores.filenames[one.row]), f"logit {scores.logits[one.row]:.2f}"]
    if facts.get("height"):
        words.append(f"{facts['width']}×{facts['height']} {facts['format']}".strip())
    if facts.get("jpeg_quality"):
        words.append(f"JPEG {facts['jpeg_quality']}")
    if facts.get("sharpness"):
        words.append(
            f"brightness {float(facts['brightness']):.0f}, sharpness "
            f"{float(facts['sharpness']):.1f}"
        )
    caption = ", ".join(words)
    uri = style.image_uri(one.image, quality=85) if one.image is not None else ""
    return (
        f'<figure><img class="whole" src="{uri}" alt="{escape(caption)}">'
        f"<figcaption>{escape(caption)}</figcaption></figure>"
    )
