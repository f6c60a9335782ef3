"""One test split in every transformation, and what is left of it: scores, tables, files."""

import collections
import dataclasses
import json
import logging
import pathlib
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from ml_collections import ConfigDict

from input_pipeline.images.degradations import Transformation
from input_pipeline.loading.mixture import MixedDataset
from input_pipeline.loading.transformed import transformed_images
from input_pipeline.storage.atomic_files import write_together
from input_pipeline.storage.csv_files import csv_text
from npr_jax.evaluation import measures, tables
from npr_jax.evaluation.evaluate import (
    check_deliverable,
    check_place,
    describe,
    evaluation_name,
)
from npr_jax.evaluation.images import named_test_split, scored_elements, uniquely_named
from npr_jax.evaluation.logit_shift import logit_shift
from npr_jax.evaluation.results import json_values
from npr_jax.evaluation.tables import Scores
from npr_jax.inference.detector import Detector
from npr_jax.inference.ensemble import Ensemble
from npr_jax.inference.progress import watched

_LOG = logging.getLogger(__name__)

COLUMNS = (
    "kind", "transformation", "strength", "generator", "pairing",
    "n_photographs", "n_generated", "n_not_scored",
    "auc", "ap", "balanced_accuracy", "real_accuracy", "fake_accuracy", "photograph_shift",
)  # fmt: skip


class NotScored(NamedTuple):
    """An image that has no score in a transformation, by their numbers, and why.

    The kind is a ``ProblemKind``, under which images of many sizes are counted together.
    """

    transformation: int
    image: int
    kind: str
    reason: str


@dataclasses.dataclass
class TransformedScores:
    """Every image of a split in every transformation."""

    logits: np.ndarray  # float32 [t, n]; above 0 means generated, NaN where there is no score
    labels: np.ndarray  # int64 [n]; 1 generated, 0 photograph
    generators: np.ndarray  # str [n]
    filenames: np.ndarray  # str [n]
    not_scored: list[NotScored]  # the NaNs


def measure_robustness(
    detector: Detector | Ensemble,
    config: ConfigDict,
    dataset: MixedDataset,
    workdir: pathlib.Path,
    transformations: Sequence[Transformation],
    *,
    chosen: str = "",
) -> dict[str, Any]:
    """Scores every test image in every transformation; returns what results.json holds.

    ``UserError`` where the data set is not what the system learns from, or holds error maps.

    Args:
        detector: its own preprocessing is used, after the transformation; of each member of an
            ensemble for itself.
        config: names the test split; its delivery has no effect, deliveries are transformations.
        dataset: prepared images.
        workdir: gets ``robustness/<name>/``, all files of it or none.
        transformations: the first is the unchanged image.
        chosen: the families asked for, a part of the name; empty: all.
    """
    for member in detector.members:
        check_deliverable(member, config, dataset)
    name = evaluation_name(detector, config, dataset, delivery=False)
    name = "-".join([name, *(part.strip() for part in chosen.split(",") if part.strip())])
    directory = workdir / "robustness" / name
    check_place(directory, detector)
    started = time.monotonic()
    parts = [_score(member, config, dataset, transformations) for member in detector.members]
    scores = _mean(parts)
    meta = describe(detector, config, dataset, seconds=time.monotonic() - started)
    meta["delivery"] = None
    results = json_values({"name": name} | tabulate(scores, transformations) | {"meta": meta})
    write_together(directory, files_of(results, scores, transformations))
    _LOG.info("wrote %s", directory)
    return results


def _score(
    detector: Detector,
    config: ConfigDict,
    dataset: MixedDataset,
    transformations: Sequence[Transformation],
) -> TransformedScores:
    split = named_test_split(config, dataset)
    images = transformed_images(
        split.source,
        transformations,
        detector.preprocessing,
        seed=config.seed,
        workers=config.data.workers,
    )
    count = len(split.source)
    scores = TransformedScores(
        logits=np.full((len(transformations), count), np.nan, np.float32),
        labels=np.zeros(count, np.int64),
        generators=np.full(count, "", object),
        filenames=np.full(count, "", object),
        not_scored=[],
    )

    def noted() -> Iterator[dict[str, Any]]:
        """The images; what is known of each is written down as it passes."""
        seen = watched(images, len(transformations) * count)
        for element in uniquely_named(seen, split):
            index = element["index"]
            scores.labels[index] = element["label"]
            scores.generators[index] = element["generator"]
            scores.filenames[index] = element["filename"]
            if problem := element["problem"]:
                missing = NotScored(element["transformation"], index, element["kind"], problem)
                scores.not_scored.append(missing)
            yield element

    for element, logit in scored_elements(detector, noted()):
        scores.logits[element["transformation"], element["index"]] = logit
    return scores


def _mean(parts: Sequence[TransformedScores]) -> TransformedScores:
    """The members' mean logits; an image that one member cannot score has none."""
    first = parts[0]
    first.logits = np.stack([part.logits for part in parts]).mean(axis=0, dtype=np.float32)
    known = {(one.transformation, one.image): one for part in parts for one in part.not_scored}
    first.not_scored = [known[key] for key in sorted(known)]
    return first


def tabulate(
    scores: TransformedScores, transformations: Sequence[Transformation]
) -> dict[str, Any]:
    """The rows of robustness.csv, and how many images stand behind them.

    A generator's photographs are those of `tables.pair`. `photograph_shift` is the mean shift of
    their logits from the first transformation, see `logit_shift`. Means are unweighted over
    generators; controls are in none. Images without a score are in no measure and counted in
    `n_not_scored`.

    Returns:
        `rows` (dicts of ``COLUMNS``; kind is generator, control or mean), `n_images`,
        `n_photographs`, `n_generated`, and `not_scored`: {transformation: {kind: images}}.
    """
    known = Scores(
        labels=scores.labels,
        logits=np.zeros(len(scores.labels), np.float32),
        generators=scores.generators,
        filenames=scores.filenames,
    )
    groups = tables.pair(known)
    rows = []
    for number, transformation in enumerate(transformations):
        rows += _rows(scores, groups, number, transformation)
    reasons: dict[str, collections.Counter[str]] = {}
    for one in scores.not_scored:
        label = transformations[one.transformation].label
        reasons.setdefault(label, collections.Counter()).update([one.kind])
    return {
        "n_images": len(scores.labels),
        "n_photographs": int((scores.labels == 0).sum()),
        "n_generated": int((scores.labels == 1).sum()),
        "rows": rows,
        "not_scored": {label: dict(counts) for label, counts in reasons.items()},
    }


def _rows(
    scores: TransformedScores,
    groups: Sequence[tables.Group],
    number: int,
    transformation: Transformation,
) -> list[dict[str, Any]]:
    own = {"transformation": transformation.name, "strength": transformation.strength}
    logits, rows = scores.logits[number], []
    for group in groups:
        index = group.index[np.isfinite(logits[group.index])]
        row = measures.measure(scores.labels[index], logits[index])
        rows.append(
            {
                "kind": "control" if tables.is_control(group.name) else "generator",
                **own,
                "generator": group.name,
                "pairing": group.pairing,
                "n_not_scored": len(group.index) - len(index),
                "photograph_shift": _photograph_shift(scores, number, group.index),
                **{key: row[key] for key in ("n_photographs", "n_generated", *tables.METRICS)},
            }
        )
    used = [row for row in rows if row["kind"] == "generator"]
    if used:
        missing = int((~np.isfinite(logits)).sum())
        mean = tables.average(used, [1.0] * len(used))
        shift = _photograph_shift(scores, number, np.arange(len(scores.labels)))
        row = {"kind": "mean", **own, "n_not_scored": missing, "photograph_shift": shift}
        rows.append(row | (mean or {}))
    return [_balanced(row) for row in rows]


def _photograph_shift(scores: TransformedScores, number: int, index: np.ndarray) -> float | None:
    """Mean shift, in a transformation, of the photographs among some images."""
    photographs = index[scores.labels[index] == 0]
    shift = logit_shift(scores.logits[0, photographs], scores.logits[number, photographs])
    return shift.mean if shift else None


def _balanced(row: dict[str, Any]) -> dict[str, Any]:
    both = row["real_accuracy"], row["fake_accuracy"]
    balanced = None if None in both else sum(both) / 2
    return {key: (row | {"balanced_accuracy": balanced}).get(key) for key in COLUMNS}


def files_of(
    results: Mapping[str, Any], scores: TransformedScores, transformations: Sequence[Transformation]
) -> dict[str, str | bytes]:
    """What is written: tables, scores, and last the results that vouch for them."""
    names = [one.label for one in transformations]
    wide = []
    for index, name in enumerate(scores.filenames):
        cells = ["" if np.isnan(z) else f"{z:.9g}" for z in scores.logits[:, index]]
        wide.append([name, scores.generators[index], str(scores.labels[index]), *cells])
    missing = []
    for one in scores.not_scored:
        transformation = transformations[one.transformation]
        name = scores.filenames[one.image]
        missing.append([name, transformation.name, transformation.strength, one.kind, one.reason])
    tidy = [[_text(row[key]) for key in COLUMNS] for row in results["rows"]]
    return {
        "robustness.csv": csv_text(COLUMNS, tidy),
        "scores.csv": csv_text(("filename", "generator", "label", *names), wide),
        "not_scored.csv": csv_text(
            ("filename", "transformation", "strength", "kind", "reason"), missing
        ),
        "results.json": json.dumps(results, indent=1, allow_nan=False).encode(),
    }


def _text(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.6f}"
    return "" if value is None else str(value)


def format_table(results: Mapping[str, Any]) -> str:
    """A plain text table of the means over generators, in percent."""
    rows = [row for row in results["rows"] if row["kind"] == "mean"]
    title = (
        f"{results['name']}: {results['n_photographs']} photographs, {results['n_generated']} "
        "generated images; means over generators in %, accuracies at probability 0.5; "
        "shift: of photographs' logits, in standard deviations"
    )
    head = f"{'transformation':22}" + "".join(
        f"{name:>10}" for name in ("AUC", "AP", "balanced", "real", "fake", "shift", "no score")
    )
    lines = [title, head]
    for row in rows:
        label = f"{row['transformation']} {row['strength']}"
        keys = ("auc", "ap", "balanced_accuracy", "real_accuracy", "fake_accuracy")
        cells = ["-" if row[key] is None else f"{100 * row[key]:.1f}" for key in keys]
        shift = row["photograph_shift"]
        cells += ["-" if shift is None else f"{shift:+.2f}", str(row["n_not_scored"])]
        lines.append(f"{label:22}" + "".join(f"{cell:>10}" for cell in cells))
    for label, reasons in results["not_scored"].items():
        counts = ", ".join(f"{count} {reason}" for reason, count in reasons.items())
        lines.append(f"no score, {label}: {counts} (not_scored.csv)")
    return "\n".join(line.rstrip() for line in lines)
