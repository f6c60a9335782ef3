"""The tab that scores many files quickly: a table to sort, and a file to keep."""

from __future__ import annotations

import collections
import struct
import time
import urllib.parse
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import gradio as gr

from input_pipeline.storage.csv_files import csv_text
from npr_jax.analysis.markup import escape
from npr_jax.detectors.calibration import VERDICTS
from npr_jax.serving.limits import Cancelled, Refused
from npr_jax.serving.page import words
from npr_jax.serving.page.card import number, problem, small_badge
from npr_jax.serving.page.runs import Runs, Stop
from npr_jax.serving.page.shelf import Shelf
from npr_jax.serving.page.zone import in_words, place, size_hint, tokens_of, working, zone
from npr_jax.serving.uploads import expand

if TYPE_CHECKING:
    from npr_jax.serving.examination import Examination
    from npr_jax.serving.service import Service

PART = "batch"
COLUMNS = ("file", "score", "verdict", "error", "format", "width", "height", "sha256")
QUICK = (
    "Scored as they are: how a verdict holds up when a picture is sent on is tested on the tab "
    "“One picture”."
)
_SECONDS_BETWEEN = 0.4  # messages about progress
# A zip file ends with this record, which counts its members, and a comment of up to 65535 bytes.
_END, _ZIP_END = struct.Struct("<4s6xH10x"), 22 + 65535
_FORMULA = ("=", "+", "-", "@", "\t", "\r")  # what spreadsheets take for one


def build(service: Service, shelf: Shelf, runs: Runs) -> None:
    """Adds the tab's elements to the blocks that are being built; see ``page_one.build``."""
    most = service.limits.max_files
    given = zone(
        "Drop many pictures or a zip file here, or press to choose",
        f"Up to {most} files, {size_hint(service.limits)}; files inside zips count.",
        service.limits,
        part=PART,
        max_files=most,
    )
    stop = gr.Button("Cancel", elem_id=f"{PART}-cancel", size="sm")
    result = place(f'<p class="soft">{escape(QUICK)}</p>', part=PART, name="result")

    def score(event: gr.EventData, request: gr.Request) -> Iterator[str]:
        tokens = tokens_of(event, most)
        with runs.begin(request.session_hash or "", PART) as stopped:
            yield working("Opening the files …", 0, 0)
            yield from _scored(service, shelf, tokens, stopped)

    def cancel(request: gr.Request) -> None:
        runs.stop(request.session_hash or "", PART)

    given.upload(
        in_words(score),
        outputs=result,
        show_progress="hidden",
        trigger_mode="multiple",
        api_visibility="private",
    )
    stop.click(cancel, show_progress="hidden", concurrency_limit=None, api_visibility="private")


def _scored(service: Service, shelf: Shelf, tokens: Sequence[str], stopped: Stop) -> Iterator[str]:
    """Progress, then the table; of a cancelled run what there is."""
    found: list[Examination] = []
    trouble = ""
    last = time.monotonic()
    total = sum(_files_in(shelf.tail(token, _ZIP_END)) for token in tokens)
    files = shelf.take(tokens)
    try:
        for one in service.score_many(expand(files, service.limits), stopped.is_set):
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
        trouble += (
            f'<div class="problem" role="alert">Cancelled after {len(found)} files. The table '
            "has those that were scored before.</div>"
        )
    yield trouble + (table(found, service.identity) if found else "")


def _files_in(tail: bytes) -> int:
    """How many files the end of one says it has: of a zip file its members, folders counted."""
    place = tail.rfind(b"PK\x05\x06")
    if place < 0 or place + _END.size > len(tail):
        return 1
    return int(_END.unpack_from(tail, place)[1])


def table(found: Sequence[Examination], identity: Mapping[str, str]) -> str:
    """A table of results that page.js makes sortable, and a link that saves them."""
    heads = "".join(
        f'<th scope="col" aria-sort="none"{kind}><button type="button">{name}</button></th>'
        for name, kind in (
            ("File", ""),
            ("Score", ' class="num"'),
            ("Verdict", ""),
            ("Format", ""),
            ("Pixels", ' class="num"'),
        )
    )
    href = "data:text/csv;charset=utf-8," + urllib.parse.quote(to_csv(found))
    version = ", ".join(f"{escape(str(k))}: {escape(str(v))}" for k, v in identity.items())
    return (
        f'<p class="counts">{escape(_counts(found))}</p>'
        f'<p><a class="button" download="scores.csv" href="{href}">Save the table (CSV)</a></p>'
        '<div class="scroll" tabindex="0" role="region" aria-label="Table of scores">'
        f'<table class="sortable"><caption><span>{escape(QUICK)} {words.SCORE} '
        f"Press a heading to sort.</span></caption><thead><tr>{heads}</tr></thead>"
        f"<tbody>{''.join(map(_row, found))}</tbody></table></div>"
        f'<details><summary>How this was computed</summary><p class="soft">{version}</p></details>'
    )


def to_csv(found: Sequence[Examination]) -> str:
    """The results as ``predict`` writes them, a line per file, with the file's size and hash.

    A name that a spreadsheet would take for a formula gets an apostrophe before it.
    """
    rows = []
    for one in found:
        score = "" if one.result.score is None else f"{one.result.score:.6f}"
        facts = one.facts
        described = (facts.format, facts.width, facts.height) if facts else ("", "", "")
        name, error = (_plain(text) for text in (one.name, one.result.error))
        rows.append((name, score, one.result.verdict, error, *described, one.sha256))
    return csv_text(COLUMNS, rows)


def _plain(text: str) -> str:
    return f"'{text}" if text.startswith(_FORMULA) else text


def _row(one: Examination) -> str:
    name = f'<th scope="row" title="{escape(one.name)}">{escape(one.name)}</th>'
    if one.result.score is None:
        return (
            f'<tr>{name}<td></td><td class="error" colspan="3">{escape(one.result.error)}</td></tr>'
        )
    facts = one.facts
    kind, pixels = (facts.format, f"{facts.width} × {facts.height}") if facts else ("", "")
    return (
        f'<tr>{name}<td class="num">{number(one.result.score)}</td>'
        f"<td>{small_badge(one.result.verdict)}</td><td>{escape(kind)}</td>"
        f'<td class="num">{pixels}</td></tr>'
    )


def _counts(found: Sequence[Examination]) -> str:
    verdicts = collections.Counter(one.result.verdict for one in found)
    parts = [f"{verdicts[v]} {words.VERDICTS[v].lower()}" for v in VERDICTS if verdicts[v]]
    if verdicts[""]:
        parts.append(f"{verdicts['']} not scored")
    files = "1 file" if len(found) == 1 else f"{len(found)} files"
    return f"{files}: {', '.join(parts)}" if parts else files
