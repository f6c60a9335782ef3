"""`<workdir>/report.html`: one page, self-contained, made only from what a run left on disk."""

import importlib.resources
import os
import pathlib
import string
from collections.abc import Mapping, Sequence
from typing import Any

from npr_jax import tables
from npr_jax.analysis import figures, markup, summary
from npr_jax.analysis.markup import escape
from npr_jax.analysis.run import Evaluation, Run, Sample, read_run
from npr_jax.front_end import NONE, FrontEnd

REPORT_FILE = "report.html"
FULL_EVALUATIONS = 3  # those beyond get their tables without figures, to keep the page small
MAX_PANELS = 24  # per evaluation and kind of figure
MAX_TILES = 50  # images of samples and residual maps
CURVE_ORDER = ("loss", "accuracy", "ap", "auc", "learning_rate", "images_per_second")

Row = Mapping[str, Any]


def build_report(workdir: str | os.PathLike[str]) -> pathlib.Path:
    """Writes `<workdir>/report.html` from metrics.jsonl, config.json and evaluation/*.

    The page refers to nothing outside itself; with no evaluation yet it shows the curves so far.

    Args:
        workdir: work directory of a run.

    Returns:
        The path of the report.

    Raises:
        ValueError: there is nothing to report, or a file of the run cannot be read.
    """
    run = read_run(workdir)
    parts: list[str] = []
    first, others = run.evaluations[:1], run.evaluations[1:]
    for evaluation in first:
        parts += _summary_section(evaluation)
    if not first:
        parts.append("<p>No evaluation yet: this page shows the training curves so far.</p>")
    if others:
        parts += _comparison(run.evaluations)
    for evaluation in first:
        parts += _evaluation_section(evaluation, with_figures=True)
    parts += _curves_section(run)
    for evaluation in first:
        parts += _samples_section(evaluation)
    for number, evaluation in enumerate(others):
        parts += _evaluation_section(evaluation, with_figures=number + 1 < FULL_EVALUATIONS)
    parts += _provenance(run)
    template = importlib.resources.files("npr_jax.analysis").joinpath("page.html")
    page = string.Template(template.read_text(encoding="utf-8")).substitute(
        title=escape(_page_title(run)), body="\n".join(parts)
    )
    path = run.workdir / REPORT_FILE
    beside = run.workdir / f".{REPORT_FILE}.{os.getpid()}"
    beside.write_text(page, encoding="utf-8", errors="replace")
    os.replace(beside, path)
    return path


def _page_title(run: Run) -> str:
    meta = run.evaluations[0].results["meta"] if run.evaluations else {}
    name = meta.get("model") or run.workdir.resolve().name
    return f"Detector of generated images: {name}"


def _summary_section(evaluation: Evaluation) -> list[str]:
    results = evaluation.results
    tiles = "".join(
        f'<div class="tile"><b>{escape(value)}</b><span>{escape(what)}</span>'
        f'<span class="soft">{escape(count)}</span></div>'
        for value, what, count in summary.headline(results)
    )
    said = "".join(
        f"<dt>{escape(heading)}</dt><dd>{escape(text)}</dd>"
        for heading, text in summary.sentences(results)
    )
    cannot = "".join(f"<li>{escape(text)}</li>" for text in summary.limits(results))
    return [
        f'<div class="tiles">{tiles}</div>',
        f'<p class="soft">Measured on “{escape(evaluation.name)}”: '
        f"{results['n_photographs']} photographs and {results['n_generated']} generated images. "
        "AP (average precision) and AUC rank images: 100 % means that every generated image scores "
        "above every photograph; AUC 50 % is chance.</p>",
        f'<h2>In short</h2><div class="beside"><dl>{said}</dl>{_overview(results)}</div>',
        f"<h2>What this detector cannot tell</h2><ul>{cannot}</ul>",
    ]


def _overview(results: Row) -> str:
    rows = sorted(results["generators"], key=lambda row: not row["trained"])[:MAX_PANELS]
    if not rows:
        return ""
    series = {
        name: [row[key] for row in rows]
        for name, key in (("AP", "ap"), ("accuracy at 0.5", "accuracy"))
    }
    names = [row["generator"] + " *" * row["trained"] for row in rows]
    alt = "AP and accuracy on each generator"
    drawing = figures.dot_figure(names, series, "percent; * = trained on")
    return markup.figure(drawing, alt, f"{alt}; control families are left out.")


def _comparison(evaluations: Sequence[Evaluation]) -> list[str]:
    rows = []
    for evaluation in evaluations:
        results = evaluation.results
        mean = results["mean"] or {}
        rows.append(
            [
                markup.head(evaluation.name),
                markup.text(str(results["meta"].get("delivery") or "–")),
                markup.cell(f"{results['n_photographs']} + {results['n_generated']}"),
                *(markup.share(mean.get(metric)) for metric in ("accuracy", "ap", "auc")),
                markup.share(summary.false_alarms(results)[0]),
            ]
        )
    head = ["evaluation", "delivery", "photographs + generated", "mean accuracy", "mean AP"]
    head += ["mean AUC", "photographs called generated"]
    return ["<h2>All evaluations</h2>", markup.table(head, rows)]


def _evaluation_section(evaluation: Evaluation, with_figures: bool) -> list[str]:
    results = evaluation.results
    parts = [f"<h2>Evaluation “{escape(evaluation.name)}”</h2>", _results_table(results)]
    parts.append(
        '<p class="soft">Accuracy: share classed correctly at probability 0.5: of all images, of '
        "photographs (real) and of generated images (fake); small print: 95 % interval (Wilson). "
        "Best accuracy: at the threshold that suits these very images best, so an upper limit. "
        "Confusion: photographs right / wrong, below them generated missed / found. Pairing: with "
        "the generator’s own photographs, or with all photographs of the split (pooled). * trained "
        "on. Control families (last) are in no mean. Image-weighted: a generator counts by its "
        "images, a pooled photograph once in all.</p>"
    )
    if results["photographs"]:
        parts += ["<h3>Photographs by source</h3>", _photographs_table(results["photographs"])]
    if with_figures:
        parts += _score_figures(evaluation)
    parts += _attention_section(results, with_figures)
    parts += _baselines_section(results, with_figures)
    return parts


def _results_table(results: Row) -> str:
    head = ["generator", "AP", "AUC", "accuracy", "real accuracy", "fake accuracy"]
    head += ["best accuracy", "photo- graphs", "gene- rated", "confusion", "pairing"]
    rows = [_result_cells(row, row["pairing"]) for row in results["generators"]]
    lines = ["<tr>" + "".join(cells) + "</tr>" for cells in rows]
    for key, name in tables.MEANS.items():
        mean = results[key]
        if mean:
            cells = [markup.head(f"{name} ({mean['n_generators']})")]
            cells += [markup.share(mean[k]) for k in ("ap", "auc", *tables.METRICS[:4])]
            cells += [markup.cell("")] * 4
            lines.append('<tr class="mean">' + "".join(cells) + "</tr>")
    for row in results["control"]:
        cells = _result_cells(row, row["pairing"])
        lines.append("<tr>" + "".join(cells) + "</tr>")
    return markup.table(head, lines)


def _result_cells(row: Row, note: str) -> list[str]:
    best = markup.share(row["best_accuracy"])
    if row["best_threshold"] is not None:
        best = markup.cell(summary.percent(row["best_accuracy"]), f"at {row['best_threshold']:.3f}")
    counts = row["confusion"]
    return [
        markup.head(row["generator"] + " *" * row["trained"]),
        *(markup.share(row[metric]) for metric in ("ap", "auc", "accuracy")),
        markup.share(row["real_accuracy"], row["real_accuracy_interval"]),
        markup.share(row["fake_accuracy"], row["fake_accuracy_interval"]),
        best,
        markup.cell(str(row["n_photographs"])),
        markup.cell(str(row["n_generated"])),
        markup.cell(f"{counts['tn']} / {counts['fp']}", f"{counts['fn']} / {counts['tp']}"),
        markup.text(note),
    ]


def _photographs_table(rows: Sequence[Row]) -> str:
    lines = []
    for row in rows:
        low, high = row["real_accuracy_interval"]
        cells = [markup.head(row["generator"]), markup.cell(str(row["n_photographs"]))]
        cells += [markup.cell(str(row["confusion"]["fp"]))]
        cells += [markup.share(1 - row["real_accuracy"], [1 - high, 1 - low])]
        lines.append(cells)
    return markup.table(["source", "photographs", "called generated", "share"], lines)


def _score_figures(evaluation: Evaluation) -> list[str]:
    """ROC curves and histograms, one panel per generator."""
    scores, results = evaluation.scores, evaluation.results
    known = {row["generator"]: row for row in [*results["generators"], *results["control"]]}
    groups = {group.name: group for group in tables.pair(scores)}
    shown = [groups[name] for name in known if name in groups][:MAX_PANELS]
    limits = figures.logit_range(scores.logits)
    curves, histograms = [], []
    for group in shown:
        row = known[group.name]
        labels, logits = scores.labels[group.index], scores.logits[group.index]
        if row["auc"] is not None:
            alt = f"ROC curve of {group.name}, AUC {summary.percent(row['auc'])}"
            curves.append(markup.image(figures.roc_panel(row, labels, logits), alt))
        alt = f"Logits of {group.name} and of its photographs"
        histograms.append(markup.image(figures.histogram_panel(row, labels, logits, limits), alt))
    more = ""
    if len(groups) > len(shown):
        more = f" The first {len(shown)} of {len(groups)} generators are drawn."
    parts = []
    if curves:
        parts += [
            f'<h3>ROC curves</h3><p class="soft">How many generated images are found for how many '
            f"false alarms, over all thresholds; the dot is the threshold 0.5.{more}</p>",
            f'<div class="panels">{"".join(curves)}</div>',
        ]
    return [
        *parts,
        f'<h3>Scores</h3><p class="soft">One axis for all: logits from {limits[0]:.1f} to '
        f"{limits[1]:.1f}; the few outside are in the outermost bars.{more}</p>",
        f'<div class="panels">{"".join(histograms)}</div>',
    ]


def _attention_section(results: Row, with_figures: bool) -> list[str]:
    attention = results["attention"]
    if not attention:
        return []
    lines = []
    for row in attention["rows"]:
        cells = [
            markup.head(row["generator"]),
            markup.text("generated" if row["label"] else "photographs"),
        ]
        cells.append(markup.cell(str(row["n"])))
        for mean, std in zip(row["mean"], row["std"], strict=True):
            cells.append(markup.cell(f"{mean:.3f}", f"± {std:.3f}"))
        lines.append(cells)
    head = [
        "generator",
        "class",
        "images",
        *(f"scale {escape(s)}" for s in attention["scales"]),
    ]
    parts = [
        "<h3>Attention: weights of the scales</h3>",
        '<p class="soft">Softmax weights, which add up to 1 for each image; mean and standard '
        "deviation over images. At sizes divisible by 4 the residuals at 0.5 and 0.75 are linear "
        "functions of the one at 0.25: a weight says which branch is listened to, not where "
        "information is.</p>",
    ]
    drawing = ""
    if with_figures:
        alt = "Mean weight of each scale for photographs (blue names) and generators (red names)"
        drawing = markup.figure(figures.attention_figure(attention), alt, alt + ".")
    return [*parts, f'<div class="beside">{drawing}{markup.table(head, lines)}</div>']


def _baselines_section(results: Row, with_figures: bool) -> list[str]:
    rows = tables.baseline_rows(results)
    if not rows:
        return []
    classifiers = list(dict.fromkeys(name for _, _, values in rows for name in values))
    lines = []
    for family, auc, values in rows:
        cells = [markup.head(family), markup.share(auc)]
        lines.append([*cells, *(markup.share(values.get(name)) for name in classifiers)])
    head = ["family", "detector", *(escape(name.replace("_", " ")) for name in classifiers)]
    parts = [
        "<h3>AUC beside cheap classifiers</h3>",
        '<p class="soft">What could be detected without looking for up-sampling. Near 50 % means '
        "that the data offer no such way out.</p>",
    ]
    drawing = ""
    if with_figures:
        series: dict[str, list[float | None]] = {"detector": [auc for _, auc, _ in rows]}
        series |= {name: [values.get(name) for *_, values in rows] for name in classifiers}
        names = [family for family, *_ in rows]
        alt = "AUC of the detector and of cheap classifiers on each family"
        drawing = markup.figure(
            figures.dot_figure(names, series, "AUC (%); 50 = chance"), alt, alt + "."
        )
    return [*parts, f'<div class="beside">{drawing}{markup.table(head, lines)}</div>']


def _curves_section(run: Run) -> list[str]:
    names = [name for name in CURVE_ORDER if name in run.curves]
    names += sorted(set(run.curves) - set(names))
    panels = [
        markup.image(figures.curve_panel(name, run.curves[name]), f"{name} over training steps")
        for name in names[:12]
    ]
    if not panels:
        return []
    return ["<h2>Training</h2>", f'<div class="panels">{"".join(panels)}</div>']


def _samples_section(evaluation: Evaluation) -> list[str]:
    meta = evaluation.results["meta"]
    front_ends = [FrontEnd.from_json(values) for values in meta.get("front_ends") or []]
    # Where a network sees the pixels themselves there is nothing to add to the image.
    front_ends = [front_end for front_end in front_ends if front_end.mode != NONE]
    samples = _choose(evaluation.samples, max(1, MAX_TILES // (2 + len(front_ends))))
    if not samples:
        return []
    drawn = [_sample(sample, front_ends) for sample in samples]
    if not front_ends:
        return ["<h2>Some of the images</h2>", *drawn]
    limit = figures.RESIDUAL_RANGE
    return [
        "<h2>What the detector looks at</h2>",
        f'<p class="soft">The residual is the image minus its copy scaled down and up again. '
        f"It is shown enlarged and with one fixed scaling for every image and "
        f"scale: a difference of −{limit:g} of the full range is black, none is grey, +{limit:g} "
        "is white, in each colour channel. Up-sampling shows as regular patterns, often too "
        "faint for the eye.</p>",
        *drawn,
    ]


def _choose(samples: Sequence[Sample], count: int) -> list[Sample]:
    """`count` samples in their order: one of each generator and class, then a second, and so on."""
    rounds: dict[tuple[str, int], int] = {}
    order = []
    for position, sample in enumerate(samples):
        kind = (sample.generator, sample.label)
        rounds[kind] = rounds.get(kind, 0) + 1
        order.append((rounds[kind], position))
    return [samples[position] for position in sorted(p for _, p in sorted(order)[:count])]


def _sample(sample: Sample, front_ends: Sequence[FrontEnd]) -> str:
    truth = "generated" if sample.label else "photograph"
    verdict = "called generated" if sample.logit > 0 else "called a photograph"
    tiles = "".join(
        f'<figure><img class="{"pixels" if number else "whole"}" src="{uri}" '
        f'alt="{escape(caption)}"><figcaption>{escape(caption)}</figcaption></figure>'
        for number, (caption, uri) in enumerate(figures.residual_tiles(sample.image, front_ends))
    )
    return (
        f'<div class="sample"><p><b>{escape(sample.generator)}</b> ({truth}), {verdict}, logit '
        f'{sample.logit:.2f} <span class="soft">{escape(sample.filename)}</span></p>'
        f'<div class="tilesrow">{tiles}</div></div>'
    )


def _provenance(run: Run) -> list[str]:
    parts = ["<h2>How it was made</h2>"]
    for evaluation in run.evaluations:
        lines = [
            [markup.head(key), markup.text(_flat(value), "long")]
            for key, value in evaluation.results["meta"].items()
            if value is not None
        ]
        if lines:
            parts += [f"<h3>{escape(evaluation.name)}</h3>", markup.table(["", ""], lines)]
    lines = [
        [markup.head(key), markup.text(_flat(value), "long")] for key, value in _leaves(run.config)
    ]
    if lines:
        table = markup.table(["", ""], lines)
        parts.append(f"<details><summary>Configuration</summary>{table}</details>")
    return parts if len(parts) > 1 else []


def _leaves(tree: Mapping[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    leaves: list[tuple[str, Any]] = []
    for key, value in tree.items():
        if isinstance(value, Mapping) and value:
            leaves += _leaves(value, f"{prefix}{key}.")
        else:
            leaves.append((prefix + key, value))
    return leaves


def _flat(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
