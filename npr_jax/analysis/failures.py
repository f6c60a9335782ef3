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
from input_pipeline.storage.whole_content import read_arrays, whole_content
from npr_jax.analysis.run_results import Evaluation, picture
from npr_jax.analysis.statistics.paired_tests import holm
from npr_jax.analysis.statistics.within_groups import Separation, separations
from npr_jax.analysis.statistics.wording import LEVEL
from npr_jax.evaluation.mistakes import most_confident
from npr_jax.evaluation.tables import Scores, is_control
from npr_jax.inference.evidence_images import write_png

FOLDER = "failures"
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
_FEATURE_COLUMNS = (
    "class", "feature", "auc", "low", "high", "p_value", "adjusted_p",
    "mistakes", "right", "generators",
)  # fmt: skip

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


def find_failures(evaluation: Evaluation, folder: pathlib.Path) -> Failures:
    """Everything about the mistakes of one evaluation.

    Args:
        evaluation: its scores.
        folder: ``<workdir>/evaluation/<name>``, for facts.csv and mistakes.npz.

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
        found = separations(wrong[mine], numbers, scores.generators[mine])
        adjusted = holm([one.p_value for one in found])
        predictors += [Predictor(label, *pair) for pair in zip(found, adjusted, strict=True)]
    return Failures(mistakes, predictors, counts, bool(facts))


def write_failures(workdir: pathlib.Path, evaluation: Evaluation, failures: Failures) -> None:
    """Writes failures.csv, error_features.csv and the images, numbered as the lines.

    A table without lines is left out.
    """
    with replaced_directory(workdir / FOLDER / evaluation.name) as folder:
        rows = []
        for number, one in enumerate(failures.mistakes):
            scores, name = evaluation.scores, ""
            if one.image is not None:
                name = f"{number:03d}.png"
                write_png(folder / name, one.image)
            row = {"filename": scores.filenames[one.row], "generator": scores.generators[one.row]}
            row |= {"label": scores.labels[one.row], "logit": f"{scores.logits[one.row]:.6g}"}
            rows.append(row | {k: v for k, v in one.facts.items() if k != "filename"})
            rows[-1]["image"] = name
        if rows:
            write_csv(folder / "failures.csv", list(rows[0]), rows)
        if failures.predictors:
            lines = map(_feature_row, failures.predictors)
            write_csv(folder / "error_features.csv", _FEATURE_COLUMNS, lines)


def _feature_row(one: Predictor) -> tuple[Any, ...]:
    s = one.separation
    numbers = s.auc, s.low, s.high, s.p_value, one.p_value, s.n_with, s.n_without, s.n_groups
    return one.class_name, s.name, *numbers


def _numbers(facts: Facts) -> dict[str, np.ndarray]:
    """The columns of facts.csv as float64 ``[n]``; nan where unknown."""
    if not facts:
        return {}
    columns = {name: np.array([_float(v) for v in facts[name]]) for name in facts}
    columns["pixels"] = columns["height"] * columns["width"]
    is_jpeg = [float(kind == "JPEG") if kind else math.nan for kind in facts["format"]]
    columns["is_jpeg"] = np.array(is_jpeg)
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
    remedy = "run evaluate again"
    file = read_arrays(path, remedy)
    images: dict[int, np.ndarray] = {}
    with whole_content(path, remedy):
        images |= {int(row): picture(file[f"image_{row}"]) for row in file["rows"]}
    return images
