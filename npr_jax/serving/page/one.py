"""The tab that examines pictures one by one, closely."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import gradio as gr

from npr_jax.serving.limits import Cancelled, Refused
from npr_jax.serving.page.card import cannot_tell, card, problem
from npr_jax.serving.page.runs import Runs, Stop
from npr_jax.serving.page.shelf import Shelf
from npr_jax.serving.page.zone import in_words, place, size_hint, tokens_of, working, zone
from npr_jax.serving.uploads import is_zip

if TYPE_CHECKING:
    from npr_jax.serving.service import Service

PART = "one"
MAX_FILES = 10  # a card with its pictures has about a megabyte


def build(service: Service, shelf: Shelf, runs: Runs, examples: str) -> None:
    """Adds the tab's elements to the blocks that are being built.

    Args:
        service: what examines.
        shelf: where the page's files wait.
        runs: what visitors have running.
        examples: HTML of the example pictures.
    """
    most = min(MAX_FILES, service.limits.max_files)
    given = zone(
        "Drop pictures here, paste one, or press to choose",
        f"Up to {most} at once, {size_hint(service.limits)}",
        service.limits,
        part=PART,
        max_files=most,
    )
    place(examples, part=PART, name="examples")
    result = place(_nothing_yet(), part=PART, name="result")

    def examine(event: gr.EventData, request: gr.Request) -> Iterator[str]:
        tokens = tokens_of(event, most)
        with runs.begin(request.session_hash or "", PART) as stopped:
            cards: list[str] = []
            for number, (name, data) in enumerate(shelf.take(tokens)):
                if stopped.is_set():
                    return
                bar = working(_progress(name, number, len(tokens)), number, len(tokens))
                yield bar + "".join(cards)
                cards.append(_examined(service, name, data, stopped))
            if not stopped.is_set():
                yield "".join(cards)

    given.upload(
        in_words(examine),
        outputs=result,
        show_progress="hidden",
        trigger_mode="multiple",
        api_visibility="private",
    )


def _examined(service: Service, name: str, data: bytes, stopped: Stop) -> str:
    if is_zip(data):
        return problem(name, f"{name} is a zip file. Please drop it on the tab “Many files”.")
    try:
        found = service.examine(name, data, cancelled=stopped.is_set)
        return card(found, service.identity)
    except Cancelled:
        return ""
    except Refused as error:
        return problem(name, str(error))


def _progress(name: str, number: int, total: int) -> str:
    which = f" ({number + 1} of {total})" if total > 1 else ""
    return f"Examining {name}{which}: scoring it, then each way of sending it on …"


def _nothing_yet() -> str:
    return f'<div class="card quiet">{cannot_tell(2)}</div>'
