"""The most confident mistakes of an evaluation, and what mistakes have in common."""

import dataclasses
import math
import pathlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from input_pipeline.errors import UserError
from input_pipeline.storage.atomic_files import replaced_directory
from input_pipeline.storage.csv_files import read_csv, write_csv
from npr_jax.analysis.run_results import Evaluation
from npr_jax.analysis.statistics.paired_tests import holm
from npr_jax.analysis.statistics.within_groups import FEWEST, Separation, separations
from npr_jax.analysis.statistics.wording import format_p
from npr_jax.evaluation.mistakes import most_confident
from npr_jax.evaluation.tables import Scores, is_control
from npr_jax.inference.evidence_images import write_png

FOLDER = "failures"
LEVEL = 0.05
# What a mistake may have to do with: title and unit of each number that facts.csv gives.
FEATURES = {
    "pixels": "size (pixels)",
    "bytes_per_pixel": "bytes per pixel",
    "jpeg_quality": "JPEG quality",
    "is_jpeg": "format is JPEG",
    "brightness": "brightness (luma)",
    "contrast": "contrast (luma)",
    "sharpness": "sharpness (Laplacian)",
}
CLASSES = {0: "photographs called generated", 1: "generated images called photographs"}

Facts = dict[str, list[str]]


@dataclasses.dataclass(frozen=True)
class Mistake:
    """One image that was called what it is not.

    Attributes:
        row: of the scores.
        facts: what facts.csv says of it, {} where nothing was recorded.
        image: uint8 ``[h, w, 3]``, reduced; None where none was kept.
    """

    row: int
    facts: Mapping[str, str]
    image: np.ndarray | None


@dataclasses.dataclass(frozen=True)
class Predictor:
    """A feature and mistakes of one class; ``p_value`` is adjusted for all features (Holm)."""

    label: int
    separation: Separation
    p_value: float

    @property
    def predicts(self) -> bool:
        """Whether it goes with mistakes beyond noise."""
        return self.p_value < LEVEL

    @property
    def feature(self) -> str:
        """The feature's name and unit."""
        return FEATURES[self.separation.name]

    @property
    def class_name(self) -> str:
        """Which mistakes it goes with."""
        return CLASSES[self.label]


@dataclasses.dataclass(frozen=True)
class Failures:
    """What went wrong in one evaluation.

    Attributes:
        mistakes: the most confident of each generator and of photographs.
        predictors: features that could be compared, by class.
        counts: mistakes and images of each class, controls left out.
        has_facts: whether the evaluation recorded any.
    """

    mistakes: list[Mistake]
    predictors: list[Predictor]
    counts: dict[int, tuple[int, int]]
    has_facts: bool

    @property
    def n_wrong(self) -> int:
        """All mistakes, controls left out."""
        return sum(wrong for wrong, _ in self.counts.values())

    def sentences(self) -> list[str]:
        """What predicts a mistake, one statement for each class; also that nothing does."""
        if not self.has_facts:
            return ["What the images are like was not recorded; run evaluate again to record it."]
        return [self._sentence(label, name) for label, name in CLASSES.items()]

    def _sentence(self, label: int, name: str) -> str:
        wrong, total = self.counts[label]
        mine = [one for one in self.predictors if one.label == label]
        telling = [one for one in mine if one.predicts]
        text = f"{name[0].upper()}{name[1:]}: {wrong} of {total}. "
        if telling:
            return text + "They go with " + "; ".join(map(_in_words, telling)) + "."
        if mine:
            smallest = format_p(min(one.p_value for one in mine))
            return (
                f"{text}None of {len(mine)} features goes with mistakes beyond noise (smallest "
                f"{smallest} after Holm)."
            )
        if min(wrong, total - wrong) >= FEWEST:
            return text + "Nothing that was recorded varies within a generator."
        return f"{text}Fewer than {FEWEST} on one side: too few to say what they share."


def find_failures(evaluation: Evaluation, folder: pathlib.Path, *, seed: int = 0) -> Failures:
    """Everything about the mistakes of one evaluation.

    Args:
        evaluation: its scores.
        folder: ``<workdir>/evaluation/<name>``, for facts.csv and mistakes.npz.
        seed: of resamples.

    Raises:
        ValueError: facts.csv does not fit the scores.
    """
    scores = evaluation.scores
    facts = _read_facts(folder / "facts.csv", scores)
    images = _read_images(folder / "mistakes.npz")
    mistakes = [
        Mistake(row, {name: column[row] for name, column in facts.items()}, images.get(row))
        for row in most_confident(scores)
    ]
    counted = np.array([not is_control(name) for name in scores.generators])
    wrong = (scores.logits > 0) != (scores.labels == 1)
    counts, predictors = {}, []
    for label in CLASSES:
        mine = counted & (scores.labels == label)
        counts[label] = int((wrong & mine).sum()), int(mine.sum())
        numbers = {name: values[mine] for name, values in _numbers(facts).items()}
        found = separations(wrong[mine], numbers, scores.generators[mine], seed=seed)
        adjusted = holm([one.p_value for one in found])
        predictors += [Predictor(label, *pair) for pair in zip(found, adjusted, strict=True)]
    return Failures(mistakes, predictors, counts, bool(facts))


def write_failures(workdir: pathlib.Path, evaluation: Evaluation, failures: Failures) -> None:
    """Writes failures.csv, error_features.csv and the images, numbered as the lines.

    A table without lines is left out.
    """
    with replaced_directory(workdir / FOLDER / evaluation.name) as folder:
        rows = failure_rows(failures, evaluation.scores)
        for number, (row, mistake) in enumerate(zip(rows, failures.mistakes, strict=True)):
            row["image"] = ""
            if mistake.image is not None:
                row["image"] = f"{number:03d}.png"
                write_png(folder / row["image"], mistake.image)
        for name, lines in (("failures", rows), ("error_features", predictor_rows(failures))):
            if lines:
                write_csv(folder / f"{name}.csv", list(lines[0]), lines)


def failure_rows(failures: Failures, scores: Scores) -> list[dict[str, Any]]:
    """failures.csv: one line per mistake of the gallery, the most confident of a kind first."""
    return [
        {
            "filename": scores.filenames[one.row],
            "generator": scores.generators[one.row],
            "label": scores.labels[one.row],
            "logit": f"{scores.logits[one.row]:.6g}",
            **{name: value for name, value in one.facts.items() if name != "filename"},
        }
        for one in failures.mistakes
    ]


def predictor_rows(failures: Failures) -> list[dict[str, Any]]:
    """error_features.csv: one line per class and feature."""
    return [
        {
            "class": CLASSES[one.label],
            "feature": one.separation.name,
            "auc": one.separation.auc,
            "low": one.separation.low,
            "high": one.separation.high,
            "p_value": one.separation.p_value,
            "adjusted_p": one.p_value,
            "mistakes": one.separation.n_with,
            "right": one.separation.n_without,
            "generators": one.separation.n_groups,
        }
        for one in failures.predictors
    ]


def _in_words(one: Predictor) -> str:
    found = one.separation
    more = "higher" if found.auc > 0.5 else "lower"
    return (
        f"{more} {FEATURES[found.name]} (AUC {found.auc:.2f}, {found.low:.2f} to "
        f"{found.high:.2f}, {format_p(one.p_value)} after Holm)"
    )


def _numbers(facts: Facts) -> dict[str, np.ndarray]:
    """The columns of facts.csv as float64 ``[n]``; nan where unknown."""
    if not facts:
        return {}
    columns = {name: np.array([_float(v) for v in facts[name]]) for name in facts}
    known = np.array([bool(kind) for kind in facts["format"]])
    is_jpeg = np.array([kind == "JPEG" for kind in facts["format"]], np.float64)
    columns["pixels"] = columns["height"] * columns["width"]
    columns["is_jpeg"] = np.where(known, is_jpeg, math.nan)
    return {name: columns[name] for name in FEATURES}


def _float(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def _read_facts(path: pathlib.Path, scores: Scores) -> Facts:
    if not path.is_file():
        return {}
    names, rows = read_csv(path)
    facts = {name: [row[name] for row in rows] for name in names}
    if facts.get("filename") != scores.filenames.tolist():
        raise UserError(f"{path} is not of the images in scores.csv; run evaluate again")
    return facts


def _read_images(path: pathlib.Path) -> dict[int, np.ndarray]:
    if not path.is_file():
        return {}
    with np.load(path, allow_pickle=False) as file:
        return {int(row): file[f"image_{row}"] for row in file["rows"]}
