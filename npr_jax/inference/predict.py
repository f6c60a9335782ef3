"""The ``predict`` command: files and folders in, one row per file out."""

from __future__ import annotations

import csv
import os
import pathlib
import sys
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from tqdm import tqdm

from input_pipeline.errors import UserError
from npr_jax.detectors.calibration import VERDICTS
from npr_jax.inference.detector import Detector, ImageScore
from npr_jax.inference.position_maps import check_has_map, save_maps

if TYPE_CHECKING:
    from npr_jax.inference.ensemble import Ensemble

COLUMNS = ("path", "score", "verdict", "error")


def predict_files(
    detector: Detector | Ensemble,
    paths: Iterable[str],
    output: str,
    *,
    confidence: float | None,
    maps: str = "",
    evidence: str = "",
    write_evidence: Callable[..., None] | None = None,
    heat_map: str = "auto",
) -> int:
    """Scores every file named or found in a named folder and writes a CSV table.

    Args:
        detector: what scores.
        paths: files and folders; folders are searched to any depth, hidden files left out.
        output: the CSV file, written beside and renamed at the end; empty: standard output.
        confidence: probability below which a verdict is ``unsure``; None: see ``Detector.score``.
        maps: directory, made if missing, for one .npz of position maps per scored file; empty:
            none are made.
        evidence: directory, made if missing, for pictures of what each file was scored by, see
            ``npr_jax.analysis.evidence``; empty: none are made.
        write_evidence: makes them, as ``npr_jax.analysis.evidence.write_evidence`` does.
        heat_map: how those find where the evidence lies, see ``npr_jax.inference.heat_map``.

    Returns:
        Exit status: 0 if every file was scored, 1 if some could not be.

    Raises:
        ValueError: for a path that does not exist, no file at all, a confidence outside
            [0.5, 1), an output whose folder does not exist, and what ``check_extras`` refuses.
    """
    if confidence is not None and not 0.5 <= confidence < 1:
        raise UserError(f"--confidence={confidence}; expected at least 0.5 and below 1")
    if output and not pathlib.Path(output).absolute().parent.is_dir():
        raise UserError(f"--output={output}: its folder does not exist")
    check_extras(detector, maps, evidence, heat_map)
    files = find_files(paths)
    views = (member.file_view for member in detector.members)
    images = ", ".join(
        [detector.preprocessing_in_words, *(v.description for v in views if v is not None)]
    )
    scores = detector.calibration_in_words
    print(f"detector: {detector.source}; images: {images}; scores: {scores}", file=sys.stderr)
    progress = tqdm(total=len(files), unit="img", disable=not sys.stderr.isatty())
    results = []
    for result in detector.iter_scores(files, confidence=confidence):
        results.append(result)
        progress.update()
    progress.close()
    _write(results, output)
    if maps and isinstance(detector, Detector):
        _write_maps(detector, results, pathlib.Path(maps))
    if evidence and write_evidence and isinstance(detector, Detector):
        write_evidence(detector, results, pathlib.Path(evidence), heat_map)
    failed = sum(bool(result.error) for result in results)
    print(_summary(results, failed), file=sys.stderr)
    return 1 if failed else 0


def check_extras(detector: Detector | Ensemble, maps: str, evidence: str, heat_map: str) -> None:
    """Whether maps and evidence can be made, before anything is scored.

    Raises:
        ValueError: for maps or evidence of several detectors, for position maps of a system that
            has none, and where a directory is a file or holds earlier evidence.
    """
    for flag, value in (("maps", maps), ("evidence", evidence)):
        if value and not isinstance(detector, Detector):
            raise UserError(f"--{flag} is of one detector, not of several; give one --workdir")
        if pathlib.Path(value or ".").is_file():
            raise UserError(f"--{flag}={value} is a file; give a directory")
    if heat_map != "auto" and not evidence:
        raise UserError(f"--heat_map={heat_map} is of --evidence=DIR; give both")
    if (maps or heat_map == "positions") and isinstance(detector, Detector):
        check_has_map(detector.model)
    if evidence and pathlib.Path(evidence).is_dir() and any(pathlib.Path(evidence).iterdir()):
        raise UserError(
            f"--evidence={evidence} is not empty: earlier pictures would lie among the new ones; "
            "give another directory"
        )


def _write_maps(detector: Detector, results: list[ImageScore], directory: pathlib.Path) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    for number, result in enumerate(results):
        if not result.error:
            save_maps(directory, number, result.path, detector.maps(detector.read(result.path)))


def find_files(paths: Iterable[str]) -> list[str]:
    """The named files and, sorted, all files below the named folders."""
    files: list[str] = []
    for name in paths:
        path = pathlib.Path(name)
        if path.is_dir():
            files += sorted(str(p) for p in path.rglob("*") if p.is_file() and _is_visible(p, path))
        elif path.exists():
            files.append(name)
        else:
            raise UserError(f"{name} does not exist; give image files or folders")
    if not files:
        raise UserError("there is nothing to score; give image files or folders that hold some")
    return files


def _is_visible(path: pathlib.Path, root: pathlib.Path) -> bool:
    return not any(part.startswith(".") for part in path.relative_to(root).parts)


def _write(results: list[ImageScore], output: str) -> None:
    if not output:
        _write_rows(sys.stdout, results)
        return
    temporary = f"{output}.partial"
    with open(temporary, "w", newline="", encoding="utf-8", errors="surrogateescape") as file:
        _write_rows(file, results)
    os.replace(temporary, output)


def _write_rows(file, results: list[ImageScore]) -> None:
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(COLUMNS)
    for result in results:
        score = "" if result.score is None else f"{result.score:.6f}"
        writer.writerow((result.path, score, result.verdict, result.error))


def _summary(results: list[ImageScore], failed: int) -> str:
    counts = [f"{sum(r.verdict == verdict for r in results)} {verdict}" for verdict in VERDICTS]
    return f"{len(results)} files: {', '.join(counts)}, {failed} not scored"
