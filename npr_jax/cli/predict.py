"""What ``predict`` does: files and folders in, a row for each file out as soon as it is known."""

import contextlib
import dataclasses
import os
import pathlib
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TextIO

from tqdm import tqdm

from input_pipeline.errors import UserError
from input_pipeline.images.file_tree import FoundFile, find_image_files
from input_pipeline.provenance.columns import ProvenanceCells, provenance_cells
from input_pipeline.storage.csv_files import BOM, write_rows
from npr_jax.detectors.calibration import VERDICTS
from npr_jax.inference.detector import Detector, ImageScore
from npr_jax.inference.ensemble import Ensemble
from npr_jax.inference.position_maps import check_has_map, save_maps

COLUMNS = ("path", "score", "verdict", "error")
# Takes a result, makes something beside its row and returns why that could not be made.
Extra = Callable[[ImageScore], str]


def predict_files(
    detector: Detector | Ensemble,
    paths: Iterable[str],
    output: str,
    *,
    confidence: float | None,
    maps: str = "",
    evidence: str = "",
    heat_map: str = "auto",
    provenance: bool = False,
    excel: bool = False,
) -> int:
    """Scores every file named or found in a named folder and writes a CSV table.

    A row is written when it and those before it are known. A file's error says why it could not be
    scored, or, of one with a score, why it has no map or evidence.

    Args:
        detector: what scores.
        paths: files and folders, see ``find_image_files``.
        output: the CSV file; until the last row is known it is called OUTPUT.partial, and stays so
            where the work ends early. Empty: standard output.
        confidence: probability below which a verdict is ``unsure``; None: see ``Detector.score``.
        maps: directory, made where missing, for one .npz of position maps per scored file, or
            empty.
        evidence: the same for pictures of what each file was scored by,
            ``npr_jax.analysis.evidence``.
        heat_map: how those find where the evidence lies, see ``npr_jax.inference.heat_map``.
        provenance: whether the table has a column for each of ``ProvenanceCells``.
        excel: whether the file begins with a byte order mark, without which Excel takes it for no
            UTF-8.

    Returns:
        Exit status: 0, or 1 where a row has an error.

    Raises:
        UserError: before anything is scored, for a path that does not exist, no file at all, a
            confidence outside [0.5, 1), and what cannot be written or made.
    """
    if confidence is not None and not 0.5 <= confidence < 1:
        raise UserError(f"--confidence={confidence}; expected at least 0.5 and below 1")
    _check_output(output)
    if excel and not output:
        raise UserError("--excel is of --output=FILE.csv; give both")
    _check_extras(detector, maps, evidence, heat_map)
    if evidence:  # it draws with Matplotlib, which scoring does without
        from npr_jax.analysis.evidence import evidence_folder
    found = find_image_files(paths)
    files = found.files
    views = (member.file_view for member in detector.members)
    images = ", ".join(
        [detector.preprocessing_in_words, *(v.description for v in views if v is not None)]
    )
    scores = detector.calibration_in_words
    counts: Counter[str] = Counter()
    with contextlib.ExitStack() as opened:
        table = opened.enter_context(_table(output))
        extras: list[Extra] = []
        if maps and isinstance(detector, Detector):
            extras.append(_map_writer(detector, pathlib.Path(maps)))
        if evidence and isinstance(detector, Detector):
            folder = evidence_folder(detector, pathlib.Path(evidence), heat_map)
            extras.append(opened.enter_context(folder))
        print(f"detector: {detector.source}; images: {images}; scores: {scores}", file=sys.stderr)
        results = _results(detector, files, confidence, extras)
        watched = tqdm(results, total=len(files), unit="img", disable=not sys.stderr.isatty())
        columns = (*COLUMNS, *ProvenanceCells._fields) if provenance else COLUMNS
        if excel:
            table.write(BOM)
        write_rows(table, columns, _rows(watched, table, counts, provenance))
    print(_summary(counts), *found.left_out_in_words(), sep="\n", file=sys.stderr)
    return 1 if counts["error"] else 0


def _check_output(output: str) -> None:
    path = pathlib.Path(output).absolute()
    if output and not path.parent.is_dir():
        raise UserError(f"--output={output}: its folder does not exist")
    if output and path.exists() and not path.is_file():
        kind = "a folder" if path.is_dir() else "not a regular file"
        raise UserError(
            f"--output={output} is {kind}; give a CSV file, or leave it out for standard output"
        )


def _check_extras(detector: Detector | Ensemble, maps: str, evidence: str, heat_map: str) -> None:
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


@contextlib.contextmanager
def _table(output: str) -> Iterator[TextIO]:
    """Where rows go."""
    if not output:
        yield sys.stdout
        return
    partial = f"{output}.partial"
    with open(partial, "w", newline="", encoding="utf-8", errors="surrogateescape") as file:
        yield file
    os.replace(partial, output)


def _map_writer(detector: Detector, directory: pathlib.Path) -> Extra:
    directory.mkdir(parents=True, exist_ok=True)
    seen = 0

    def write(result: ImageScore) -> str:
        nonlocal seen
        number, seen = seen, seen + 1
        if result.error:
            return ""
        try:
            maps = detector.maps(detector.read(result.path))
        except UserError as error:
            return f"no map of positions: {error}"
        save_maps(directory, number, result.path, maps)
        return ""

    return write


def _results(
    detector: Detector | Ensemble,
    files: Sequence[FoundFile],
    confidence: float | None,
    extras: Sequence[Extra],
) -> Iterator[ImageScore]:
    """One for each file, in order, when what is made beside it has been made."""
    readable = [file.path for file in files if not file.problem]
    scores = iter(detector.iter_scores(readable, confidence=confidence))
    for file in files:
        result = ImageScore(file.path, None, "", file.problem) if file.problem else next(scores)
        problems = [problem for extra in extras if (problem := extra(result))]
        yield dataclasses.replace(result, error="; ".join(problems)) if problems else result


def _rows(
    results: Iterable[ImageScore], table: TextIO, counts: Counter[str], provenance: bool
) -> Iterator[tuple[str, ...]]:
    for result in results:
        score = "" if result.score is None else f"{result.score:.6f}"
        is_scored = result.score is not None
        said = provenance_cells(result.path, with_mark=is_scored) if provenance else ()
        yield (result.path, score, result.verdict, result.error, *said)
        table.flush()  # whoever watches sees the row, and a kill loses none
        counts[result.verdict or "not scored"] += 1
        counts["error"] += bool(result.error)


def _summary(counts: Counter[str]) -> str:
    words = [f"{counts[word]} {word}" for word in (*VERDICTS, "not scored")]
    files = sum(counts.values()) - counts["error"]
    incomplete = counts["error"] - counts["not scored"]
    beside = f", {incomplete} scored without what was to be made beside" if incomplete else ""
    return f"{files} file{'s' * (files != 1)}: {', '.join(words)}{beside}"
