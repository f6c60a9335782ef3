"""Scores of a test split -> one row of measures per generator, their means, a printed table.

Label 1 is a generated image, label 0 a photograph; a score is a logit, and an image is called
generated when its logit is above 0. Every image is counted; nothing here drops a remainder.
"""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from input_pipeline.errors import UserError
from npr_jax.evaluation import measures

CONTROL = "control"  # the embedded simulation's family without up-sampling
METRICS = ("accuracy", "real_accuracy", "fake_accuracy", "best_accuracy", "ap", "auc")
MEANS = {"mean": "mean", "weighted": "image-weighted mean", "unseen": "mean of unseen"}


@dataclasses.dataclass(frozen=True)
class Scores:
    """One row per scored image.

    ``UserError`` for no rows, columns of different lengths, a label other than 0 and 1, or a logit
    or weight that is not finite (the message names the file).
    """

    labels: np.ndarray  # int [n]; 1 generated, 0 photograph
    logits: np.ndarray  # float32 [n]; above 0 means generated
    # str [n]; which generator (or which source of photographs) the image is from
    generators: np.ndarray
    filenames: np.ndarray  # str [n]; as stored in the data set
    # float32 [n, s] softmax weights over the scales, or None for a single-scale model
    weights: np.ndarray | None = None
    # the s names of the scales, e.g. ("0.25", "0.5", "0.75"); empty without weights
    scales: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        fix = object.__setattr__
        kinds: dict[str, Any] = {
            "labels": None,
            "logits": np.float32,
            "generators": str,
            "filenames": str,
        }
        for name, kind in kinds.items():
            fix(self, name, np.asarray(getattr(self, name), kind))
        fix(self, "scales", tuple(str(scale) for scale in self.scales))
        lengths = {name: getattr(self, name).shape for name in kinds}
        if len(set(lengths.values())) != 1 or self.labels.ndim != 1:
            raise UserError(f"scores need columns of one length, one value per image: {lengths}")
        if not self.labels.size:
            raise UserError("there are no scores: the split that was evaluated holds no images")
        if not np.isin(self.labels, (0, 1)).all():
            raise UserError(
                f"labels are 0 (photograph) or 1 (generated), found {np.unique(self.labels)[:5]}"
            )
        fix(self, "labels", self.labels.astype(np.int64))
        self._refuse_not_finite("logit", self.logits[:, None])
        if self.weights is not None:
            fix(self, "weights", np.asarray(self.weights, np.float32))
            expected = (self.labels.size, len(self.scales))
            if self.weights.shape != expected:
                raise UserError(
                    f"weights of shape {self.weights.shape} do not fit {expected} "
                    f"(images, scales {self.scales})"
                )
            self._refuse_not_finite("weight", self.weights)

    def _refuse_not_finite(self, what: str, values: np.ndarray) -> None:
        bad = np.flatnonzero(~np.isfinite(values).all(axis=1))
        if bad.size:
            raise UserError(
                f"{bad.size} of {len(values)} images have a {what} that is not finite, the first "
                f"is {self.filenames[bad[0]]!r}: the weights of this model are not usable"
            )

    def __len__(self) -> int:
        return len(self.labels)

    def subset(self, index: np.ndarray) -> "Scores":
        """The rows at int [m] positions, in that order."""
        return dataclasses.replace(
            self,
            labels=self.labels[index],
            logits=self.logits[index],
            generators=self.generators[index],
            filenames=self.filenames[index],
            weights=None if self.weights is None else self.weights[index],
        )


@dataclasses.dataclass(frozen=True)
class Group:
    """The images that one row of a table is computed from."""

    name: str  # the generator
    index: np.ndarray  # int [m] positions in the scores
    # "own" (the generator brings its photographs), "pooled" (all photographs of the split stand
    # beside it) or "none" (the split has no photographs)
    pairing: str


def pair(scores: Scores) -> list[Group]:
    """One group per generator, in alphabetical order, controls last.

    A generator is a name under which there are generated images. It keeps its own photographs
    where it has any; otherwise all photographs of the split are its counterpart.
    """
    generated = scores.labels == 1
    pool = np.flatnonzero(~generated)
    groups = []
    for name in _sorted_names(scores.generators[generated]):
        mine = scores.generators == name
        index = np.flatnonzero(mine)
        if (mine & ~generated).any():
            pairing = "own"
        elif pool.size:
            index, pairing = np.concatenate([pool, index]), "pooled"
        else:
            pairing = "none"
        groups.append(Group(name, index, pairing))
    return groups


def same_images(a: Scores, b: Scores) -> bool:
    """Whether two hold the same images in the same order."""
    return (
        np.array_equal(a.filenames, b.filenames)
        and np.array_equal(a.generators, b.generators)
        and np.array_equal(a.labels, b.labels)
    )


def is_control(name: str) -> bool:
    """Whether a family is the control (generated without up-sampling): kept out of every mean.

    The name is the simulation's, exactly: ControlNet is a generator like any other.
    """
    return name == CONTROL


def tabulate(scores: Scores, train_families: Iterable[str] = ()) -> dict[str, Any]:
    """Tables of one evaluation.

    `mean` is unweighted over generators, `unseen` the same over those not in `train_families`.
    `weighted` weights a generator by its images; an image that stands in r rows (a pooled
    photograph beside r generators) gives each of them 1/r, so that the weights add up to the
    number of distinct images and no photograph counts twice. Control families are in no mean.

    Returns a dict with `generators` and `control` (rows of `measure`, with pairing and whether
    trained on), `photographs` (a row per source that holds photographs only), `mean`, `weighted`,
    `unseen` (None where it would be empty), `attention` (None without weights) and counts.
    """
    seen = {family.lower() for family in train_families}
    groups = pair(scores)
    used = [group for group in groups if not is_control(group.name)]
    shares = np.zeros(len(scores))
    for group in used:
        shares[group.index] += 1
    rows, controls = [], []
    for group in groups:
        labels, logits = scores.labels[group.index], scores.logits[group.index]
        row = {"generator": group.name, "pairing": group.pairing} | measures.measure(labels, logits)
        row["trained"] = group.name.lower() in seen
        if is_control(group.name):
            controls.append(row)
        else:
            rows.append(row | {"weight": float((1 / shares[group.index]).sum())})
    photographs = scores.labels == 0
    with_fakes = {group.name for group in groups}
    sources = []
    for name in _sorted_names(scores.generators[photographs]):
        if name not in with_fakes:
            mine = scores.generators == name
            row = measures.measure(scores.labels[mine], scores.logits[mine])
            sources.append({"generator": name} | row)
    unseen = [row for row in rows if not row["trained"]]
    return {
        "n_images": len(scores),
        "n_photographs": int(photographs.sum()),
        "n_generated": int((~photographs).sum()),
        "generators": rows,
        "mean": average(rows, [1.0] * len(rows)),
        "weighted": average(rows, [row["weight"] for row in rows]),
        "unseen": average(unseen, [1.0] * len(unseen)) if seen else None,
        "control": controls,
        "photographs": sources,
        "attention": _attention(scores),
    }


def average(rows: Sequence[Mapping[str, Any]], weights: Sequence[float]) -> dict | None:
    """Weighted means of ``METRICS`` over the rows that know them; None without rows."""
    if not rows:
        return None
    result: dict[str, Any] = {"n_generators": len(rows)}
    for metric in METRICS:
        pairs = [(row[metric], w) for row, w in zip(rows, weights, strict=True)]
        known = [(value, w) for value, w in pairs if value is not None]
        total = sum(w for _, w in known)
        result[metric] = sum(value * w for value, w in known) / total if known else None
    return result


def _attention(scores: Scores) -> dict[str, Any] | None:
    """Mean and standard deviation of the scale weights for each generator and class."""
    if scores.weights is None:
        return None
    rows = []
    for label in (0, 1):
        for name in _sorted_names(scores.generators[scores.labels == label]):
            mine = scores.weights[(scores.labels == label) & (scores.generators == name)]
            rows.append(
                {
                    "generator": name,
                    "label": label,
                    "n": len(mine),
                    "mean": mine.mean(axis=0, dtype=np.float64).tolist(),
                    "std": mine.std(axis=0, dtype=np.float64).tolist(),
                }
            )
    return {"scales": list(scores.scales), "rows": rows}


def _sorted_names(names: np.ndarray) -> list[str]:
    """Alphabetical, controls last."""
    unique = {str(name) for name in names}
    return sorted(unique, key=lambda name: (is_control(name), name.lower(), name))


def format_table(results: Mapping[str, Any]) -> str:
    """The results as a plain-text table, measures in percent; `*` marks the families trained on."""
    rows = [*results["generators"], *results["control"], *results["photographs"]]
    width = max([len("image-weighted mean")] + [len(row["generator"]) + 1 for row in rows])
    head = ("photos", "fakes", "acc", "real", "fake", "best", "at p", "AP", "AUC")
    lines = [f"{results['name']}: {results['n_images']} images, measures in %"]
    lines.append(f"{'generator':{width}} " + " ".join(f"{name:>6}" for name in head) + "  pairing")

    def line(name: str, row: Mapping[str, Any], note: str = "") -> str:
        """A row as text; what it lacks is left empty, what could not be measured is a dash."""
        cells = [str(row.get(key, "")) for key in ("n_photographs", "n_generated")]
        for key in (*METRICS[:4], "best_threshold", "ap", "auc"):
            value, percent = row.get(key), key != "best_threshold"
            missing = "" if key not in row else "-"
            cells.append(
                missing if value is None else f"{100 * value:.1f}" if percent else f"{value:.3f}"
            )
        return (f"{name:{width}} " + " ".join(f"{c:>6}" for c in cells) + f"  {note}").rstrip()

    for row in results["generators"]:
        lines.append(line(row["generator"] + "*" * row["trained"], row, row["pairing"]))
    lines.append("-" * len(lines[1]))
    for key, name in MEANS.items():
        if results[key]:
            count = results[key]["n_generators"]
            lines.append(line(name, results[key], f"{count} generator{'s' * (count != 1)}"))
    for kind, note in (("control", "control, in no mean"), ("photographs", "photographs")):
        lines += [line(row["generator"], row, note) for row in results[kind]]
    return "\n".join(lines)


def format_baselines(results: Mapping[str, Any]) -> str:
    """AUC in percent of cheap classifiers beside the detector's; empty where none were run."""
    rows = baseline_rows(results)
    names = list(dict.fromkeys(name for _, _, values in rows for name in values))
    if not names:
        return ""
    lines = []
    for family, auc, values in rows:
        cells = [auc, *(values.get(name) for name in names)]
        lines.append((family, *("-" if x is None else f"{100 * x:.1f}" for x in cells)))
    heads = ("generator", "detector", *(name.replace("_", " ") for name in names))
    return "AUC beside classifiers that look for no up-sampling, in %\n" + aligned(heads, lines)


def aligned(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A plain-text table: the first column to the left, all others to the right of their heads."""
    first, *others = heads
    width = max(len(first), *(len(row[0]) for row in rows))
    lines = [f"{first:{width}}  " + "  ".join(others)]
    for name, *cells in rows:
        columns = [f"{cell:>{len(head)}}" for cell, head in zip(cells, others, strict=True)]
        lines.append(f"{name:{width}}  " + "  ".join(columns))
    return "\n".join(lines)


def baseline_rows(
    results: Mapping[str, Any],
) -> list[tuple[str, float | None, Mapping[str, float | None]]]:
    """(family, the detector's AUC, {cheap classifier: AUC}) for the families that have both."""
    baselines = results["baselines"] or {}
    rows = [*results["generators"], *results["control"]]
    return [
        (row["generator"], row["auc"], baselines[row["generator"]])
        for row in rows
        if isinstance(baselines.get(row["generator"]), Mapping)
    ]
