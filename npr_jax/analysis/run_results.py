"""Reads a work directory: training curves, configuration, evaluations."""

import dataclasses
import json
import math
import os
import pathlib
from typing import Any

import numpy as np

from input_pipeline.errors import UserError
from input_pipeline.storage.whole_content import read_arrays, read_object, whole_content
from npr_jax.evaluation import results as evaluate

METRICS_FILE = "metrics.jsonl"
_AGAIN = "make it again with the command that wrote it"
CLOCK = ("step", "epoch", "split")


@dataclasses.dataclass(frozen=True)
class Sample:
    """One image kept for the report: uint8 [h, w, 3] and what is known of it."""

    image: np.ndarray
    label: int
    generator: str
    filename: str
    logit: float


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """One directory under `<workdir>/evaluation`."""

    name: str
    results: dict[str, Any]
    scores: evaluate.Scores
    samples: list[Sample]


@dataclasses.dataclass(frozen=True)
class RunResults:
    """What a work directory holds.

    Attributes:
        workdir: the directory.
        config: content of config.json, empty where there is none.
        curves: {metric: {split: (steps int [n], values float [n])}}; steps ascend, a value that
            is missing or not finite is NaN.
        evaluations: those that hold a family trained on first, then those of untouched (clean)
            images, then by name; the first is the one the report is about.
        robustness: results of each `robustness` measurement, by name.
        calibrations: results of `calibrate` by the checkpoint's step, the latest first.
        localization: results of `localize`, empty where it was not run.
    """

    workdir: pathlib.Path
    config: dict[str, Any]
    curves: dict[str, dict[str, tuple[np.ndarray, np.ndarray]]]
    evaluations: list[Evaluation]
    robustness: list[dict[str, Any]]
    calibrations: dict[int, dict[str, Any]]
    localization: dict[str, Any]

    @property
    def leading_meta(self) -> dict[str, Any]:
        """``meta`` of the evaluation that the report is about; empty without one."""
        return self.evaluations[0].results["meta"] if self.evaluations else {}

    def is_calibrated(self, evaluation: Evaluation) -> bool:
        """Whether the evaluated checkpoint has one: verdicts in its results, or a file."""
        results = evaluation.results
        return bool(results.get("verdicts")) or results["meta"].get("steps") in self.calibrations


def read_run(workdir: str | os.PathLike[str]) -> RunResults:
    """Reads everything a report needs.

    Raises:
        ValueError: the directory holds neither metrics.jsonl nor an evaluation nor results of
            `robustness`, or a file in it cannot be read (the message names it).
    """
    workdir = pathlib.Path(workdir)
    folders = sorted(path.parent for path in workdir.glob("evaluation/*/results.json"))
    metrics = workdir / METRICS_FILE
    transformed = sorted(workdir.glob("robustness/*/results.json"))
    if not folders and not metrics.is_file() and not transformed:
        raise UserError(
            f"{workdir} has nothing to report: no {METRICS_FILE}, no evaluation/*/results.json "
            "and no robustness/*/results.json; train into it, or run evaluate or robustness on it, "
            "first"
        )
    calibrations = workdir.glob("calibration/*.json")
    steps = {int(path.stem): path for path in calibrations if path.stem.isdecimal()}
    return RunResults(
        workdir=workdir,
        config=_read_json(workdir / "config.json", needed=False),
        curves=read_curves(metrics) if metrics.is_file() else {},
        evaluations=sorted(map(_read_evaluation, folders), key=_rank),
        robustness=[_read_json(path) for path in transformed],
        calibrations={step: _read_json(steps[step]) for step in sorted(steps, reverse=True)},
        localization=_read_json(workdir / "localization/localization.json", needed=False),
    )


def read_results(workdir: str | os.PathLike[str]) -> dict[str, dict[str, Any]]:
    """The results.json of every evaluation of a workdir, by the evaluation's name.

    Raises:
        ValueError: there is no such directory, or a file is not JSON.
    """
    if not pathlib.Path(workdir).is_dir():
        raise UserError(f"{workdir} is no directory; give a run, or the --output of evaluate")
    files = sorted(pathlib.Path(workdir).glob("evaluation/*/results.json"))
    return {path.parent.name: _read_json(path) for path in files}


def read_curves(
    path: str | os.PathLike[str],
) -> dict[str, dict[str, tuple[np.ndarray, np.ndarray]]]:
    """Training and validation curves of a metrics.jsonl.

    A run that was interrupted and resumed may have written a step twice: the later line counts.
    A last line cut short by a kill is left out.

    Raises:
        ValueError: a line other than the last is not JSON.
    """
    lines = pathlib.Path(path).read_text(encoding="utf-8", errors="replace").splitlines()
    points: dict[str, dict[str, dict[int, float]]] = {}
    for number, line in enumerate(lines, start=1):
        try:
            entry = json.loads(line) if line.strip() else {}
        except (ValueError, RecursionError) as error:
            if number == len(lines):
                break
            raise UserError(f"{path}, line {number} is not JSON: {error}") from error
        with whole_content(f"{path}, line {number}", "remove that line"):
            split = entry.get("split", "train")
            for metric, value in entry.items():
                if metric not in CLOCK and (value is None or isinstance(value, int | float)):
                    curve = points.setdefault(metric, {}).setdefault(split, {})
                    known = math.nan if value is None else float(value)
                    curve[int(entry["step"])] = known if math.isfinite(known) else math.nan
    return {
        metric: {
            split: (np.array(sorted(curve)), np.array([curve[step] for step in sorted(curve)]))
            for split, curve in splits.items()
        }
        for metric, splits in points.items()
    }


def _read_evaluation(folder: pathlib.Path) -> Evaluation:
    results = _read_json(folder / "results.json")
    scores = evaluate.read_scores(folder / "scores.csv")
    return Evaluation(folder.name, results, scores, _read_samples(folder / "samples.npz"))


def _rank(evaluation: Evaluation) -> tuple[bool, bool, str]:
    results = evaluation.results
    path = pathlib.Path("evaluation", evaluation.name, "results.json")
    with whole_content(path, _AGAIN):
        seen = any(row["trained"] for row in results["generators"])
        degraded = results["meta"].get("delivery", "clean") != "clean"
    return not seen, degraded, evaluation.name


def _read_samples(path: pathlib.Path) -> list[Sample]:
    if not path.is_file():
        return []
    file = read_arrays(path, _AGAIN)
    samples = []
    with whole_content(path, _AGAIN):
        columns = [file[key] for key in ("labels", "generators", "filenames", "logits")]
        for row, (label, generator, filename, logit) in enumerate(zip(*columns, strict=True)):
            image = picture(file[f"image_{row}"])
            samples.append(Sample(image, int(label), str(generator), str(filename), float(logit)))
    return samples


def picture(array: np.ndarray) -> np.ndarray:
    """The array, where it is one: uint8 [h, w, 3]; else ``ValueError``."""
    if array.dtype != np.uint8 or array.ndim != 3 or array.shape[2] != 3 or not array.size:
        raise ValueError(f"an image is {array.dtype} {list(array.shape)}, not uint8 [h, w, 3]")
    return array


def _read_json(path: pathlib.Path, *, needed: bool = True) -> dict[str, Any]:
    """Content of a file; {} of one that is not there and not needed."""
    if not needed and not path.is_file():
        return {}
    return read_object(path, _AGAIN)
