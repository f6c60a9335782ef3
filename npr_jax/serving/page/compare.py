"""The tab that shows two pictures side by side."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import gradio as gr

from npr_jax.analysis.markup import escape
from npr_jax.detectors.calibration import UNSURE
from npr_jax.serving.limits import Cancelled, Refused
from npr_jax.serving.page.card import card, file_lines, number, problem, small_badge
from npr_jax.serving.page.runs import Runs
from npr_jax.serving.page.shelf import Shelf
from npr_jax.serving.page.words import VERDICTS
from npr_jax.serving.page.zone import in_words, place, size_hint, tokens_of, working, zone

if TYPE_CHECKING:
    from npr_jax.serving.examination import Examination
    from npr_jax.serving.service import Service

SIDES = {"left": "First picture", "right": "Second picture"}
_WAITING = '<p class="soft">Give two pictures, for instance an original and what was published.</p>'


def build(service: Service, shelf: Shelf, runs: Runs) -> None:
    """Adds the tab's elements to the blocks that are being built; see ``page_one.build``."""
    states = []
    events = []
    places = {}
    with gr.Row(elem_classes="sides"):
        for side, title in SIDES.items():
            with gr.Column(min_width=280):
                places[side] = zone(
                    f"{title}: drop it here, paste it, or press to choose",
                    _capital(size_hint(service.limits)),
                    service.limits,
                    part=side,
                    max_files=1,
                )
            states.append(gr.State(None))
    summary = place(_WAITING, part="compare", name="summary")
    with gr.Row(elem_classes="sides"):
        for (side, given), state in zip(places.items(), states, strict=True):
            with gr.Column(min_width=280):
                result = place(part=side, name="result")
            events.append(
                given.upload(
                    in_words(_examiner(service, shelf, runs, side), empty=(None,)),
                    outputs=[result, state],
                    show_progress="hidden",
                    trigger_mode="multiple",
                    api_visibility="private",
                )
            )
    for event in events:
        event.then(compared, states, summary, show_progress="hidden", api_visibility="private")


def _capital(words: str) -> str:
    return words[:1].upper() + words[1:]


def _examiner(service: Service, shelf: Shelf, runs: Runs, side: str) -> Any:
    def examine(
        event: gr.EventData, request: gr.Request
    ) -> Iterator[tuple[str, dict[str, Any] | None]]:
        tokens = tokens_of(event, 1)
        with runs.begin(request.session_hash or "", side) as stopped:
            for name, data in shelf.take(tokens):
                yield working(f"Examining {name} …", 0, 0), None
                try:
                    found = service.examine(name, data, cancelled=stopped.is_set)
                except Cancelled:
                    return
                except Refused as error:
                    yield problem(name, str(error)), None
                    return
                if not stopped.is_set():
                    yield card(found, service.identity), _kept(found)

    return examine


def _kept(found: Examination) -> dict[str, Any] | None:
    """The little that the comparison needs of a picture."""
    if found.result.score is None:
        return None
    return {
        "name": found.name,
        "sha256": found.sha256,
        "score": found.result.score,
        "verdict": found.verdict,
        "lines": dict(file_lines(found.facts)) if found.facts else {},
    }


def compared(left: dict[str, Any] | None, right: dict[str, Any] | None) -> str:
    """What two pictures have in common and what not, as HTML."""
    if left is None or right is None:
        return _WAITING
    rows = [
        ("Verdict", small_badge(left["verdict"]), small_badge(right["verdict"])),
        ("Score", number(left["score"]), number(right["score"])),
    ]
    for name in dict.fromkeys([*left["lines"], *right["lines"]]):
        values = [escape(side["lines"].get(name, "–")) for side in (left, right)]
        rows.append((name, values[0], values[1]))
    body = "".join(
        f'<tr{"" if a == b else " class=differs"}><th scope="row">{escape(name)}</th><td>{a}</td>'
        f"<td>{b}</td></tr>"
        for name, a, b in rows
    )
    return (
        f'<div class="card summary"><h2>Side by side</h2><p>{escape(_sentence(left, right))}</p>'
        f'<div class="scroll"><table class="plain"><thead><tr><td></td><th scope="col">'
        f'{escape(left["name"])}</th><th scope="col">{escape(right["name"])}</th></tr></thead>'
        f"<tbody>{body}</tbody></table></div></div>"
    )


def _sentence(left: dict[str, Any], right: dict[str, Any]) -> str:
    if left["sha256"] == right["sha256"]:
        return "Both are the same file, byte for byte."
    words = [VERDICTS[side["verdict"]].lower() for side in (left, right)]
    gap = abs(left["score"] - right["score"])
    if words[0] == words[1]:
        return f"Both have the same verdict ({words[0]}); their scores are {gap:.2f} apart."
    if UNSURE in (left["verdict"], right["verdict"]):
        other = words[1] if left["verdict"] == UNSURE else words[0]
        return f"One verdict is unsure, the other {other}; their scores are {gap:.2f} apart."
    return f"The verdicts differ: {words[0]} and {words[1]}; their scores are {gap:.2f} apart."
