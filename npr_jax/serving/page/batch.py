"""The tab that scores many files quickly: a table to sort, and a file to keep."""

from __future__ import annotations

import collections
import struct
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import gradio as gr

from input_pipeline.images.file_tree import left_out_in_words
from input_pipeline.provenance.columns import NOT_LOOKED_FOR, ProvenanceCells, p_value_in_words
from input_pipeline.provenance.credentials import state_in_words
from input_pipeline.storage.csv_files import BOM, csv_text
from npr_jax.serving.limits import Cancelled, Refused
from npr_jax.serving.page.gradio_parts import html, on_upload, size_hint, working, zone
from npr_jax.serving.page.jobs import Jobs, Stop
from npr_jax.serving.page.pending_files import PendingFiles
from npr_jax.serving.page.render import VERDICTS, part, problem, render
from npr_jax.serving.uploads import LeftOut, expand

if TYPE_CHECKING:
    from npr_jax.serving.assessment import Assessment
    from npr_jax.serving.schema import FactsAnswer
    from npr_jax.serving.service import Service

TAB = "batch"
COLUMNS = (
    *("file", "score", "verdict", "error", "format", "width", "height", "sha256"),
    *ProvenanceCells._fields,
)
QUICK = (
    "Scored as they are: the tab “One picture” tests how a verdict holds up when a picture is sent "
    "on."
)
_SECONDS_BETWEEN = 0.4  # messages about progress
# A zip file ends with this record, which counts its members, and a comment of up to 65535 bytes.
_END, _ZIP_END = struct.Struct("<4s6xH10x"), 22 + 65535


def build(service: Service, pending: PendingFiles, jobs: Jobs) -> None:
    """Adds the tab's elements to the blocks that are being built; see ``closely.build_one``."""
    most = service.limits.max_files
    title = "Drop many pictures or a zip file here, or press to choose"
    hint = f"Up to {most} files, {size_hint(service.limits)}; files inside zips count."
    given = zone(title, hint, service.limits, tab=TAB, max_files=most)
    stop = gr.Button("Cancel", elem_id=f"{TAB}-cancel", size="sm")
    result = html(part("parts.html", "note", QUICK), element=f"{TAB}-result")

    def score(tokens: list[str], stopped: Stop) -> Iterator[str]:
        yield working("Opening the files …", 0, 0)
        yield from _scored(service, pending, tokens, stopped)

    def cancel(request: gr.Request) -> None:
        jobs.stop(request.session_hash or "", TAB)

    on_upload(given, score, result, jobs=jobs, tab=TAB, most=most)
    stop.click(cancel, show_progress="hidden", concurrency_limit=None, api_visibility="private")


def _scored(
    service: Service, pending: PendingFiles, tokens: Sequence[str], stopped: Stop
) -> Iterator[str]:
    """Progress, then the table; when cancelled, of what there is."""
    found: list[Assessment] = []
    left_out: list[LeftOut] = []
    trouble = ""
    last = time.monotonic()
    total = sum(_files_in(pending.tail(token, _ZIP_END)) for token in tokens)
    files = pending.take(tokens)
    try:
        for one in service.score_many(expand(files, service.limits, left_out), stopped.is_set):
            found.append(one)
            if time.monotonic() - last > _SECONDS_BETWEEN:
                last = time.monotonic()
                yield working(_counts(found), len(found), max(total, len(found) + 1))
    except Cancelled:
        pass
    except Refused as error:
        trouble = problem("", str(error))
    finally:
        files.close()
    if stopped.replaced:
        return
    if stopped.is_set():
        trouble += problem(
            "", f"Cancelled after {len(found)} files. The table has those that were scored before."
        )
    trouble += part("parts.html", "left_out", left_out_in_words(left_out))
    yield trouble + (table(found, service.identity) if found else "")


def _files_in(tail: bytes) -> int:
    """How many files the end of one says it has: of a zip file its members, folders counted."""
    place = tail.rfind(b"PK\x05\x06")
    if place < 0 or place + _END.size > len(tail):
        return 1
    return int(_END.unpack_from(tail, place)[1])


def table(found: Sequence[Assessment], identity: Mapping[str, str]) -> str:
    """A table of results that page.js makes sortable, and a link that saves them."""
    return render(
        "batch.html",
        found=found,
        identity=identity,
        counts=_counts(found),
        csv=to_csv(found),
        quick=QUICK,
    )


def to_csv(found: Sequence[Assessment]) -> str:
    """The results as ``predict --excel`` writes them, with each file's size and hash."""
    rows = []
    for one in found:
        score = "" if one.result.score is None else f"{one.result.score:.6f}"
        facts = one.facts
        described = (facts.format, facts.width, facts.height) if facts else ("", "", "")
        result = one.result
        judged = (one.name, score, result.verdict, result.error)
        rows.append((*judged, *described, one.sha256, *_provenance(facts)))
    return BOM + csv_text(COLUMNS, rows)


def _provenance(facts: FactsAnswer | None) -> ProvenanceCells:
    """As ``predict --provenance`` has it."""
    if facts is None:
        return ProvenanceCells()
    found = facts.credentials
    credentials = state_in_words(found.state, found.reason) if found else ""
    mark, p_value = NOT_LOOKED_FOR, ""
    if facts.mark is not None:
        chance = facts.mark.p_value
        mark, p_value = facts.mark.program, "" if chance is None else p_value_in_words(chance)
    return ProvenanceCells(facts.source, facts.generator, credentials, mark, p_value)


def _counts(found: Sequence[Assessment]) -> str:
    verdicts = collections.Counter(one.result.verdict for one in found)
    parts = [f"{verdicts[v]} {VERDICTS[v].lower()}" for v in VERDICTS if verdicts[v]]
    if verdicts[""]:
        parts.append(f"{verdicts['']} not scored")
    files = "1 file" if len(found) == 1 else f"{len(found)} files"
    return f"{files}: {', '.join(parts)}" if parts else files
