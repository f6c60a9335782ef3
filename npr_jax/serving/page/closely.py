"""The tabs that look at pictures closely: one by one, and two side by side."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import gradio as gr

from npr_jax.detectors.calibration import UNSURE
from npr_jax.serving.limits import Cancelled, Refused
from npr_jax.serving.page.gradio_parts import html, on_upload, size_hint, working, zone
from npr_jax.serving.page.jobs import Jobs, Stop
from npr_jax.serving.page.pending_files import PendingFiles
from npr_jax.serving.page.render import VERDICTS, card, file_lines, part, problem, render
from npr_jax.serving.uploads import is_zip

if TYPE_CHECKING:
    from npr_jax.serving.assessment import Assessment
    from npr_jax.serving.service import Service

TAB = "one"
MAX_FILES = 10  # a card with its pictures has about a megabyte
SIDES = {"left": "First picture", "right": "Second picture"}
Kept = dict[str, Any] | None  # the little that the comparison needs of a picture


def build_one(service: Service, pending: PendingFiles, jobs: Jobs, examples: str) -> None:
    """Adds the tab's elements to the blocks that are being built.

    `pending` are the files that the page has sent, `jobs` what visitors have running, `examples` is
    HTML of the example pictures.
    """
    most = min(MAX_FILES, service.limits.max_files)
    title = "Drop pictures here, paste one, or press to choose"
    hint = f"Up to {most} at once, {size_hint(service.limits)}"
    given = zone(title, hint, service.limits, tab=TAB, max_files=most)
    html(examples, element=f"{TAB}-examples")
    nothing_yet = f'<div class="card quiet">{part("parts.html", "cannot_tell", 2)}</div>'
    result = html(nothing_yet, element=f"{TAB}-result")

    def assess(tokens: list[str], stopped: Stop) -> Iterator[str]:
        """HTML that grows by a card for each picture."""
        cards: list[str] = []
        for number, (name, data) in enumerate(pending.take(tokens)):
            if stopped.is_set():
                return
            which = f" ({number + 1} of {len(tokens)})" if len(tokens) > 1 else ""
            words = f"Examining {name}{which}: scoring it, then each way of sending it on …"
            yield working(words, number, len(tokens)) + "".join(cards)
            if is_zip(data):
                sentence = f"{name} is a zip file. Please drop it on the tab “Many files”."
                cards.append(problem(name, sentence))
            else:
                cards.append(_assessed(service, name, data, stopped)[0])
        if not stopped.is_set():
            yield "".join(cards)

    on_upload(given, assess, result, jobs=jobs, tab=TAB, most=most)


def build_compare(service: Service, pending: PendingFiles, jobs: Jobs) -> None:
    """Adds the tab's elements to the blocks that are being built; see ``build_one``."""
    hint = size_hint(service.limits)
    hint, zones = hint[:1].upper() + hint[1:], {}
    states = [gr.State(None) for _ in SIDES]
    with gr.Row(elem_classes="sides"):
        for side, title in SIDES.items():
            with gr.Column(min_width=280):
                title = f"{title}: drop it here, paste it, or press to choose"
                zones[side] = zone(title, hint, service.limits, tab=side, max_files=1)
    summary = html(compared(None, None), element="compare-summary")

    def assess(tokens: list[str], stopped: Stop) -> Iterator[tuple[str, Kept]]:
        for name, data in pending.take(tokens):
            yield working(f"Examining {name} …", 0, 0), None
            shown, found = _assessed(service, name, data, stopped)
            if not stopped.is_set():
                yield shown, _kept(found)

    events = []
    with gr.Row(elem_classes="sides"):
        for (side, given), state in zip(zones.items(), states, strict=True):
            with gr.Column(min_width=280):
                outputs = [html(element=f"{side}-result"), state]
            options: dict[str, Any] = {"jobs": jobs, "tab": side, "most": 1, "empty": (None,)}
            events.append(on_upload(given, assess, outputs, **options))
    for event in events:
        event.then(compared, states, summary, show_progress="hidden", api_visibility="private")


def compared(left: Kept, right: Kept) -> str:
    """What two pictures have in common and what not, as HTML."""
    sentence = _sentence(left, right) if left and right else ""
    return render("compare.html", sides=[left, right], sentence=sentence)


def _assessed(
    service: Service, name: str, data: bytes, stopped: Stop
) -> tuple[str, Assessment | None]:
    """The card of a picture and what is known of it, or what is wrong with it; empty if stopped."""
    try:
        found = service.assess(name, data, cancelled=stopped.is_set)
    except Cancelled:
        return "", None
    except Refused as error:
        return problem(name, str(error)), None
    return card(found, service.identity), found


def _kept(found: Assessment | None) -> Kept:
    if found is None or found.result.score is None:
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
