"""The tab that shows two pictures side by side."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import gradio as gr

from npr_jax.detectors.calibration import UNSURE
from npr_jax.serving.limits import Cancelled, Refused
from npr_jax.serving.page.gradio_parts import html, on_upload, size_hint, tokens_of, working, zone
from npr_jax.serving.page.jobs import Jobs
from npr_jax.serving.page.pending_files import PendingFiles
from npr_jax.serving.page.render import VERDICTS, card, file_lines, problem, render

if TYPE_CHECKING:
    from npr_jax.serving.assessment import Assessment
    from npr_jax.serving.service import Service

SIDES = {"left": "First picture", "right": "Second picture"}
Kept = dict[str, Any] | None  # the little that the comparison needs of a picture


def build(service: Service, pending: PendingFiles, jobs: Jobs) -> None:
    """Adds the tab's elements to the blocks that are being built; see ``one.build``."""
    hint = size_hint(service.limits)
    zones, events = {}, []
    states = [gr.State(None) for _ in SIDES]
    with gr.Row(elem_classes="sides"):
        for side, title in SIDES.items():
            with gr.Column(min_width=280):
                title = f"{title}: drop it here, paste it, or press to choose"
                hint = hint[:1].upper() + hint[1:]
                zones[side] = zone(title, hint, service.limits, tab=side, max_files=1)
    summary = html(compared(None, None), element="compare-summary")
    with gr.Row(elem_classes="sides"):
        for (side, given), state in zip(zones.items(), states, strict=True):
            with gr.Column(min_width=280):
                result = html(element=f"{side}-result")
            handler = _assessor(service, pending, jobs, side)
            events.append(on_upload(given, handler, [result, state], empty=(None,)))
    for event in events:
        event.then(compared, states, summary, show_progress="hidden", api_visibility="private")


def compared(left: Kept, right: Kept) -> str:
    """What two pictures have in common and what not, as HTML."""
    sentence = _sentence(left, right) if left and right else ""
    return render("compare.html", sides=[left, right], sentence=sentence)


def _assessor(
    service: Service, pending: PendingFiles, jobs: Jobs, side: str
) -> Callable[..., Iterator[tuple[str, Kept]]]:
    def assess(event: gr.EventData, request: gr.Request) -> Iterator[tuple[str, Kept]]:
        tokens = tokens_of(event, 1)
        with jobs.begin(request.session_hash or "", side) as stopped:
            for name, data in pending.take(tokens):
                yield working(f"Examining {name} …", 0, 0), None
                try:
                    found = service.assess(name, data, cancelled=stopped.is_set)
                except Cancelled:
                    return
                except Refused as error:
                    yield problem(name, str(error)), None
                    return
                if not stopped.is_set():
                    yield card(found, service.identity), _kept(found)

    return assess


def _kept(found: Assessment) -> Kept:
    if found.result.score is None:
        return None
    return {
        "name": found.name,
        "sha256": found.sha256,
        "score": found.result.score,
        "verdict": found.verdict,
        "lines": dict(file_lines(found.facts)) if found.facts else {},
    }


def _sentence(left: dict[str, Any], right: dict[str, Any]) -> str:
    if left["sha256"] == right["sha256"]:
        return "Both are the same file, byte for byte."
    verdicts = [VERDICTS[side["verdict"]].lower() for side in (left, right)]
    gap = f"their scores are {abs(left['score'] - right['score']):.2f} apart"
    if verdicts[0] == verdicts[1]:
        return f"Both have the same verdict ({verdicts[0]}); {gap}."
    if UNSURE in verdicts:
        [other] = [verdict for verdict in verdicts if verdict != UNSURE]
        return f"One verdict is unsure, the other {other}; {gap}."
    return f"The verdicts differ: {verdicts[0]} and {verdicts[1]}; {gap}."
