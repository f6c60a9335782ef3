"""What ``predict`` does: files and folders in, a row for each file out as soon as it is known."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import shlex
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from input_pipeline.images.image_listing import ImageListing
from input_pipeline.provenance.columns import ProvenanceCells, provenance_cells
from input_pipeline.provenance.credentials import can_verify
from input_pipeline.provenance.trust_lists import TrustList
from input_pipeline.storage.growing_file import partial_of
from npr_jax.cli.predict_extras import Extra, check_extras, extra_openers
from npr_jax.cli.score_table import ScoreTable, check_output, is_begun, row_format, score_table
from npr_jax.evaluation.provenance import package_version
from npr_jax.inference.identity import identity
from npr_jax.inference.progress import watched
from npr_jax.inference.verdict import ImageScore, check_confidence

if TYPE_CHECKING:  # importing them would import JAX, which most predictions do without
    from npr_jax.inference.ensemble import Ensemble
    from npr_jax.inference.file_detector import FileDetector

COLUMNS = ("path", "score", "verdict", "error")
_LONGEST_COMMAND = 1000  # letters; a longer one is not repeated


def predict_files(
    detector: FileDetector | Ensemble,
    paths: Iterable[str],
    output: str,
    *,
    confidence: float | None,
    maps: str = "",
    evidence: str = "",
    heat_map: str = "auto",
    provenance: TrustList | None = None,
    excel: bool = False,
    format: str = "auto",
    resume: bool = False,
    command: Sequence[str] = (),
) -> int:
    """Scores every file named or found in a named folder and writes a table.

    A row is written when it and those before it are known; memory does not grow with their number.
    A file's error says why it could not be scored, or, of one with a score, why it has no map or
    evidence.

    Args:
        detector: what scores; a ``Detector`` where maps or evidence are wanted.
        paths: files and folders, see ``ImageListing``.
        output: the table; until the last row is known it is called OUTPUT.partial, and stays so
            where the work ends early. Of a symbolic link: what it points to. Empty: standard
            output.
        confidence: probability below which a verdict is ``unsure``; None: see ``Detector.score``.
        maps: directory, empty or made where missing, for one .npz of position maps per scored
            file; ``resume`` goes on with one. Or empty text.
        evidence: the same for pictures of what each file was scored by,
            ``npr_jax.analysis.evidence``.
        heat_map: how those find where the evidence lies, see ``npr_jax.inference.heat_map``.
        provenance: the table has a column for each of ``ProvenanceCells`` too, and signatures
            under Content Credentials count as this list says.
        excel: whether the file begins with a byte order mark, without which Excel takes it for no
            UTF-8.
        format: ``csv``, ``jsonl`` or ``auto``, see ``row_format``.
        resume: whether to go on with what an earlier call has left, which ends in the same file as
            if nothing had come between.
        command: what the user typed, to be repeated where the work ends early.

    Returns:
        Exit status: 0, or 1 where a row has an error.

    Raises:
        UserError: before anything is scored, for a path that does not exist, no file at all, a
            confidence outside [0.5, 1), what cannot be written or made, an unfinished table without
            ``resume``, and with it one that was made otherwise. And for a folder that goes away
            while its files are scored.
    """
    check_confidence(confidence)
    named, output = output, check_output(output, resume=resume)
    columns = (*COLUMNS, *ProvenanceCells._fields) if provenance is not None else COLUMNS
    form = row_format(format, named, columns, excel=excel)
    check_extras(detector, maps, evidence, heat_map, resume, resume and is_begun(output))
    open_extras = extra_openers(detector, maps, evidence, heat_map)
    chosen = {
        "confidence": confidence,
        "format": type(form).__name__,
        "columns": [*columns],
        "excel": excel,
        "maps": maps,
    }
    with contextlib.ExitStack() as opened:
        listing = opened.enter_context(ImageListing(paths))
        made_of = functools.partial(_made_of, detector, listing, provenance, chosen)
        table = opened.enter_context(score_table(output, form, listing, made_of, resume=resume))
        extras = [opened.enter_context(open_extra(table.done)) for open_extra in open_extras]
        resumed = f"; {table.done:,} rows are there already" if table.done else ""
        print(in_one_line(detector) + resumed, file=sys.stderr)
        results = _results(detector, listing, table.done, confidence, extras)
        try:
            _write_rows(results, table, len(listing), provenance)
        except BaseException:
            if output and table.done:
                print(_how_to_go_on(table.done, len(listing), output, command), file=sys.stderr)
            raise
        print(table.summary(), *listing.left_out_in_words(), sep="\n", file=sys.stderr)
        return 1 if table.counts["error"] else 0


def in_one_line(detector: FileDetector | Ensemble) -> str:
    """Which detector scores, what happens to images first, what scores mean, what runs it."""
    views = (member.file_view for member in detector.members)
    images = ", ".join(
        [detector.preprocessing_in_words, *(v.description for v in views if v is not None)]
    )
    return (
        f"detector: {detector.source}; images: {images}; scores: "
        f"{detector.calibration_in_words}; engine: {detector.engine}"
    )


def _how_to_go_on(done: int, files: int, output: str, command: Sequence[str]) -> str:
    words = [*command]
    if "--resume" not in words and "predict" in words:
        words.insert(words.index("predict") + 1, "--resume")
    again = shlex.join(words)
    if not again or len(again) > _LONGEST_COMMAND:
        again = "the same command with --resume"
    return (
        f"the first {done:,} of {files:,} rows are in {partial_of(output)}; to go on from there: "
        f"{again}"
    )


def _made_of(
    detector: FileDetector | Ensemble,
    listing: ImageListing,
    provenance: TrustList | None,
    chosen: Mapping[str, Any],
) -> dict[str, Any]:
    """All that the rows depend on, as JSON values; ``chosen``: what the user has set."""
    return {
        "program": package_version(),
        "detector": identity(detector),
        "files": len(listing),
        "files_sha256": listing.sha256,
        **chosen,
        "trust_list": provenance and provenance.sha256,
        "credentials_verified": provenance and can_verify(),
    }


def _write_rows(
    results: Iterator[ImageScore], table: ScoreTable, files: int, provenance: TrustList | None
) -> None:
    """One row for each result, while a bar or a line a minute says how far it has come."""
    shown = watched(results, files, done=table.done)
    with contextlib.closing(shown):  # a bar's line ends before anything else is said
        for result in shown:
            table.write(_row(result, provenance))


def _results(
    detector: FileDetector | Ensemble,
    listing: ImageListing,
    first: int,
    confidence: float | None,
    extras: Sequence[Extra],
) -> Iterator[ImageScore]:
    """One for each file from the first on, when what is made beside it has been made."""
    readable = (file.path for file in listing.files(first) if not file.problem)
    scores = iter(detector.iter_scores(readable, confidence=confidence))
    for file in listing.files(first):
        result = ImageScore(file.path, None, "", file.problem) if file.problem else next(scores)
        if result.error:
            listing.check_still_there(file.path)
        problems = [problem for extra in extras if (problem := extra(result))]
        yield dataclasses.replace(result, error="; ".join(problems)) if problems else result


def _row(result: ImageScore, provenance: TrustList | None) -> dict[str, Any]:
    row = {name: getattr(result, name) for name in COLUMNS}
    if provenance is None:
        return row
    is_scored = result.score is not None
    return row | provenance_cells(result.path, provenance, with_mark=is_scored)._asdict()
