"""What the templates show beyond the results as they lie on disk: choices, figures, findings."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

from input_pipeline.storage.prepared_dataset import SIMULATION
from npr_jax.analysis.attention.figures import violins
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
RANKS_WELL = 0.8  # AUC from which a poor accuracy is blamed on the threshold
SHIFT = 0.05  # accuracy gained by another threshold from which a threshold shift is named

Drawings = list[tuple[str, str]]  # SVG text, what it shows


def measured_on(results: Mapping[str, Any]) -> str:
    """A sentence on the images and the run of one evaluation's results.json."""
    meta = results["meta"]
    told = [f"data {meta['data']}"] if meta.get("data") else []
    told += [f"split {meta['split']}"] if meta.get("split") else []
    told += [f"delivered {meta['delivery']}"] if meta.get("delivery") else []
    text = ", ".join(told) or "data not recorded"
    return f"{text[0].upper()}{text[1:]}: {images_of(results)}; {one_run(meta)}."


def images_of(counts: Mapping[str, Any]) -> str:
    """How many images of each class were measured on."""
    return f"{counts['n_photographs']:,} photographs and {counts['n_generated']:,} generated images"


def one_run(meta: Mapping[str, Any]) -> str:
    """Which detector was measured: a run with its seed, or published weights."""
    if meta.get("weights"):
        return f"weights from {meta['weights']}, no seed of ours"
    if meta.get("seed") is None:
        return "one run, seed not recorded"
    return f"one run, seed {meta['seed']}"


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
            alt = f"ROC curve of {group.name}, AUC {percent(row['auc'])}"
            curves.append((panels.roc_panel(row, labels, logits), alt))
        alt = f"Logits of {group.name} and of its photographs"
        histograms.append((panels.histogram_panel(row, labels, logits, limits), alt))
    low, high = (f"{limit:.1f}".replace("-", "−") for limit in limits)
    some = f" The first {len(shown)} of {len(groups)} generators are drawn."
    drawn = {"curves": curves, "histograms": histograms, "low": low, "high": high}
    return drawn | {"left_out": some if len(groups) > len(shown) else ""}


def curve_panels(run: RunResults) -> Drawings:
    """Every metric over training steps, the usual ones first."""
    names = [name for name in _FIRST_CURVES if name in run.curves]
    names += sorted(run.curves.keys() - names)
    return [
        (panels.curve_panel(name, run.curves[name]), f"{name} over training steps")
        for name in names[:_MAX_CURVES]
    ]


def attention_panels(findings: Findings, measured: str) -> Drawings:
    """The distributions of each scale's weights."""
    return [
        (
            style.svg(violins(findings, measured, scale)),
            f"Distribution of the weight of scale {scale}",
        )
        for scale in findings.scales
    ]


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


def samples(run: RunResults) -> list[tuple[Sample, list[tuple[str, str]]]]:
    """Samples of the leading evaluation with the pictures to show: one of each kind, then more."""
    if not run.evaluations:
        return []
    recorded = run.leading_meta.get("front_ends") or []
    front_ends = evidence_images.residuals([FrontEnd.from_json(values) for values in recorded])
    kept = run.evaluations[0].samples
    seen: Counter[tuple[str, int]] = Counter()
    order = []
    for position, sample in enumerate(kept):
        seen[sample.generator, sample.label] += 1
        order.append((seen[sample.generator, sample.label], position))
    count = max(1, MAX_TILES // (2 + len(front_ends)))
    chosen = sorted(position for _, position in sorted(order)[:count])
    return [(kept[row], panels.residual_tiles(kept[row].image, front_ends)) for row in chosen]


def mistakes(failures: Failures, evaluation: Evaluation) -> list[dict[str, Any]]:
    """The most confident mistakes by kind: label, generator and pictures."""
    scores = evaluation.scores
    rows = set(most_confident(scores, most=MAX_MISTAKES))
    shown = [one for one in failures.mistakes if one.image is not None and one.row in rows]
    kinds = groupby(shown, key=lambda one: (scores.labels[one.row], scores.generators[one.row]))
    return [
        {
            "label": kind[0],
            "generator": kind[1],
            "images": [_picture(one, evaluation) for one in mine],
        }
        for kind, mine in kinds
    ]


def _picture(one: Mistake, evaluation: Evaluation) -> tuple[str, str]:
    scores, facts = evaluation.scores, one.facts
    words = [str(scores.filenames[one.row]), f"logit {scores.logits[one.row]:.2f}"]
    if facts.get("height"):
        words.append(f"{facts['width']}×{facts['height']} {facts['format']}".strip())
    if facts.get("jpeg_quality"):
        words.append(f"JPEG {facts['jpeg_quality']}")
    if facts.get("sharpness"):
        brightness, sharpness = float(facts["brightness"]), float(facts["sharpness"])
        words.append(f"brightness {brightness:.0f}, sharpness {sharpness:.1f}")
    return ", ".join(words), style.image_uri(one.image, quality=85) if one.image is not None else ""


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


def leaves(tree: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """The settings of a configuration by their dotted names."""
    found: list[tuple[str, str]] = []
    for key, value in tree.items():
        if isinstance(value, Mapping) and value:
            found += leaves(value, f"{prefix}{key}.")
        else:
            found.append((prefix + key, flat(value)))
    return found


def flat(value: Any) -> str:
    """A setting in words."""
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def percent(value: float | None, digits: int = 1) -> str:
    """A share as percent; a dash where it is unknown."""
    return "–" if value is None else f"{100 * value:.{digits}f}\u00a0%"


def listed(names: str | Sequence[Any]) -> str:
    """One name, or a few and how many more."""
    shown = [names] if isinstance(names, str) else list(map(str, names))
    if len(shown) > 6:
        shown = [*shown[:5], f"{len(shown) - 5} others"]
    return " and ".join(filter(None, (", ".join(shown[:-1]), shown[-1])))


def false_alarms(results: Mapping[str, Any]) -> tuple[float | None, int, int]:
    """Of all photographs of the split: the share called generated, how many, out of how many."""
    rows = list(results["photographs"])
    rows += [
        row for row in (*results["generators"], *results["control"]) if row["pairing"] == "own"
    ]
    count = sum(row["n_photographs"] for row in rows)
    wrong = sum(row["confusion"]["fp"] for row in rows)
    return (wrong / count if count else None), wrong, count


def simulated(meta: Mapping[str, Any]) -> bool:
    """Whether the images were simulated; of early results, which deny it of all, by their name."""
    return bool(meta.get("simulated")) or SIMULATION in str(meta.get("data")).split("+")


def few(row: Mapping[str, Any]) -> bool:
    """Whether fewer than 100 images of a class stand behind a row."""
    return min(row["n_photographs"], row["n_generated"]) < 100


def shifted(row: Mapping[str, Any]) -> bool:
    """Whether a row's scores rank well and another threshold would classify far better."""
    known = row["auc"] is not None and row["auc"] >= RANKS_WELL
    return known and row["best_accuracy"] - row["accuracy"] >= SHIFT


def best_baseline(results: Mapping[str, Any]) -> tuple[float, str, str, float | None] | None:
    """AUC of the best cheap classifier, on which family, its name, and the detector's AUC there."""
    known = [
        (value, name, classifier, detector)
        for name, detector, values in tables.baseline_rows(results)
        for classifier, value in values.items()
        if value is not None
    ]
    return max(known, key=lambda one: one[:3], default=None)
