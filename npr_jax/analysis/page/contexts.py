"""What the templates show beyond the results as they lie on disk: choices, figures, findings."""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

from npr_jax.analysis import summary
from npr_jax.analysis.attention import figures as attention_figures
from npr_jax.analysis.attention.weights import Findings
from npr_jax.analysis.failures import Failures, Mistake
from npr_jax.analysis.figures import panels, robustness, style
from npr_jax.analysis.paper_tables.criterion import criterion
from npr_jax.analysis.paper_tables.export import missing_lines, system_name
from npr_jax.analysis.paper_tables.published import PAPER
from npr_jax.analysis.paper_tables.tables import PUBLISHED, read_paper_tables
from npr_jax.analysis.run_results import Evaluation, RunResults, Sample
from npr_jax.analysis.statistics.wording import points
from npr_jax.evaluation import tables
from npr_jax.evaluation.mistakes import most_confident
from npr_jax.inference import evidence_images
from npr_jax.residuals.front_end import FrontEnd

MAX_PANELS = 24  # ROC curves, and as many histograms
MAX_TILES = 50  # images of samples and residual maps
MAX_MISTAKES = 40  # images; the files beside the page have all
_FIRST_CURVES = ("loss", "accuracy", "ap", "auc", "learning_rate", "images_per_second")
_MAX_CURVES = 12

Drawings = list[tuple[str, str]]  # SVG text, what it shows


def means(results: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The means of an evaluation as rows of its table."""
    empty = {"trained": False, "best_threshold": None, "confusion": None}
    return [
        empty | mean | {"generator": f"{name} ({mean['n_generators']})"}
        for key, name in tables.MEANS.items()
        if (mean := results[key])
    ]


def score_panels(evaluation: Evaluation) -> dict[str, Any]:
    """ROC curves and histograms of logits, one of each per generator."""
    values, results = evaluation.scores, evaluation.results
    known = {row["generator"]: row for row in [*results["generators"], *results["control"]]}
    groups = {group.name: group for group in tables.pair(values)}
    shown = [groups[name] for name in known if name in groups][:MAX_PANELS]
    limits = panels.logit_range(values.logits)
    curves, histograms = [], []
    for group in shown:
        row = known[group.name]
        labels, logits = values.labels[group.index], values.logits[group.index]
        if row["auc"] is not None:
            alt = f"ROC curve of {group.name}, AUC {summary.percent(row['auc'])}"
            curves.append((panels.roc_panel(row, labels, logits), alt))
        alt = f"Logits of {group.name} and of its photographs"
        histograms.append((panels.histogram_panel(row, labels, logits, limits), alt))
    low, high = (f"{limit:.1f}".replace("-", "−") for limit in limits)
    left_out = f" The first {len(shown)} of {len(groups)} generators are drawn."
    return {
        "curves": curves,
        "histograms": histograms,
        "low": low,
        "high": high,
        "left_out": left_out if len(groups) > len(shown) else "",
    }


def curve_panels(run: RunResults) -> Drawings:
    """Every metric over training steps, the usual ones first."""
    names = [name for name in _FIRST_CURVES if name in run.curves]
    names += sorted(set(run.curves) - set(names))
    return [
        (panels.curve_panel(name, run.curves[name]), f"{name} over training steps")
        for name in names[:_MAX_CURVES]
    ]


def attention_panels(findings: Findings, measured: str) -> Drawings:
    """The distributions of each scale's weights."""
    drawings = []
    for place, scale in enumerate(findings.scales):
        kinds = [
            dataclasses.replace(kind, weights=kind.weights[:, place : place + 1])
            for kind in findings.kinds
        ]
        one = dataclasses.replace(findings, scales=(scale,), kinds=kinds)
        with style.styled():
            drawing = style.svg(attention_figures.violins(one, measured))
        drawings.append((drawing, f"Distribution of the weight of scale {scale}"))
    return drawings


def scale_heads(results: Mapping[str, Any]) -> list[str]:
    """Names of the columns of weights."""
    return [f"scale {scale}" for scale in results["attention"]["scales"]]


def classifiers(rows: Sequence[tuple[str, Any, Mapping[str, Any]]]) -> list[str]:
    """The cheap classifiers of ``tables.baseline_rows``."""
    return list(dict.fromkeys(name for _, _, values in rows for name in values))


def robustness_rows(results: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The means of `robustness`, with the lowest and highest AUC and the change against clean."""
    rows = [row for row in results["rows"] if row["kind"] == "mean"]
    clean = next((row["auc"] for row in rows if row["transformation"] == "clean"), None)
    bounds = zip(*robustness.auc_range(results["rows"], rows), strict=True)
    found = []
    for row, ends in zip(rows, bounds, strict=True):
        low, high = (None if math.isnan(end) else end / 100 for end in ends)
        change = "–" if None in (row["auc"], clean) else points(row["auc"] - clean)
        found.append(row | {"lowest": low, "highest": high, "change": change})
    return found


def samples(run: RunResults) -> list[tuple[Sample, list[tuple[str, str, str]]]]:
    """Samples of the leading evaluation with the pictures to show: one of each kind, then more."""
    if not run.evaluations:
        return []
    recorded = run.leading_meta.get("front_ends") or []
    front_ends = evidence_images.residuals([FrontEnd.from_json(values) for values in recorded])
    kept = run.evaluations[0].samples
    rounds: dict[tuple[str, int], int] = {}
    order = []
    for position, sample in enumerate(kept):
        kind = (sample.generator, sample.label)
        rounds[kind] = rounds.get(kind, 0) + 1
        order.append((rounds[kind], position))
    count = max(1, MAX_TILES // (2 + len(front_ends)))
    chosen = [kept[position] for position in sorted(place for _, place in sorted(order)[:count])]
    return [
        (
            sample,
            [
                (uri, caption, "pixels" if number else "whole")
                for number, (caption, uri) in enumerate(
                    panels.residual_tiles(sample.image, front_ends)
                )
            ],
        )
        for sample in chosen
    ]


def mistakes(failures: Failures, evaluation: Evaluation) -> list[dict[str, Any]]:
    """The most confident mistakes by kind: label, generator and pictures."""
    scores = evaluation.scores
    rows = set(most_confident(scores, most=MAX_MISTAKES))
    shown = [one for one in failures.mistakes if one.image is not None and one.row in rows]
    kinds = groupby(shown, key=lambda one: (scores.labels[one.row], scores.generators[one.row]))
    found = []
    for (label, generator), kind in kinds:
        images = [_picture(one, evaluation) for one in kind]
        found.append({"label": label, "generator": generator, "images": images, "n": len(images)})
    return found


def _picture(one: Mistake, evaluation: Evaluation) -> tuple[str, str, str]:
    scores, facts = evaluation.scores, one.facts
    words = [str(scores.filenames[one.row]), f"logit {scores.logits[one.row]:.2f}"]
    if facts.get("height"):
        words.append(f"{facts['width']}×{facts['height']} {facts['format']}".strip())
    if facts.get("jpeg_quality"):
        words.append(f"JPEG {facts['jpeg_quality']}")
    if facts.get("sharpness"):
        brightness, sharpness = float(facts["brightness"]), float(facts["sharpness"])
        words.append(f"brightness {brightness:.0f}, sharpness {sharpness:.1f}")
    uri = style.image_uri(one.image, quality=85) if one.image is not None else ""
    return uri, ", ".join(words), "whole"


def paper_tables(run: RunResults) -> dict[str, Any] | None:
    """The five tables, the criterion on each measure, and what is missing; None without any."""
    found = read_paper_tables([run.workdir])
    if not any(table.rows for table in found):
        return None
    system = system_name([run.workdir])
    names = system, PAPER if system != PAPER else f"{PAPER} (baseline)"
    metas = [evaluation.results["meta"] for evaluation in run.evaluations]
    return {
        "tables": found,
        "system": system,
        "meta": next(meta for meta in metas if meta.get("catalogue")),
        "criteria": [criterion(found, None, measure, names=names) for measure in PUBLISHED],
        "missing": missing_lines(found),
    }


def provenance(run: RunResults) -> list[tuple[str, list[tuple[str, str]]]]:
    """What each evaluation recorded of its making, as lines of names and values."""
    made = []
    for evaluation in run.evaluations:
        meta = evaluation.results["meta"]
        lines = [(key, _flat(value)) for key, value in meta.items() if value is not None]
        if lines:
            made.append((evaluation.name, lines))
    return made


def leaves(tree: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """The settings of a configuration by their dotted names."""
    found: list[tuple[str, str]] = []
    for key, value in tree.items():
        if isinstance(value, Mapping) and value:
            found += leaves(value, f"{prefix}{key}.")
        else:
            found.append((prefix + key, _flat(value)))
    return found


def _flat(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
