"""The tab that looks at pictures one by one, closely."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import gradio as gr

from npr_jax.serving.limits import Cancelled, Refused
from npr_jax.serving.page.gradio_parts import html, on_upload, size_hint, tokens_of, working, zone
from npr_jax.serving.page.jobs import Jobs, Stop
from npr_jax.serving.page.pending_files import PendingFiles
from npr_jax.serving.page.render import card, part, problem
from npr_jax.serving.uploads import is_zip

if TYPE_CHECKING:
    from npr_jax.serving.service import Service

TAB = "one"
MAX_FILES = 10  # a card with its pictures has about a megabyte


def build(service: Service, pending: PendingFiles, jobs: Jobs, examples: str) -> None:
    """Adds the tab's elements to the blocks that are being built.

    Args:
        service: what assesses pictures.
        pending: the files that the page has sent.
        jobs: what visitors have running.
        examples: HTML of the example pictures.
    """
    most = min(MAX_FILES, service.limits.max_files)
    title = "Drop pictures here, paste one, or press to choose"
    hint = f"Up to {most} at once, {size_hint(service.limits)}"
    given = zone(title, hint, service.limits, tab=TAB, max_files=most)
    html(examples, element=f"{TAB}-examples")
    nothing_yet = f'<div class="card quiet">{part("parts.html", "cannot_tell", 2)}</div>'
    result = html(nothing_yet, element=f"{TAB}-result")

    def assess(event: gr.EventData, request: gr.Request) -> Iterator[str]:
        tokens = tokens_of(event, most)
        with jobs.begin(request.session_hash or "", TAB) as stopped:
            cards: list[str] = []
            for number, (name, data) in enumerate(pending.take(tokens)):
                if stopped.is_set():
                    return
                bar = working(_progress(name, number, len(tokens)), number, len(tokens))
                yield bar + "".join(cards)
                cards.append(_assessed(service, name, data, stopped))
            if not stopped.is_set():
                yield "".join(cards)

    on_upload(given, assess, result)


def _assessed(service: Service, name: str, data: bytes, stopped: Stop) -> str:
    if is_zip(data):
        return problem(name, f"{name} is a zip file. Please drop it on the tab “Many files”.")
    try:
        return card(service.assess(name, data, cancelled=stopped.is_set), service.identity)
    except Cancelled:
        return ""
    except Refused as error:
        return problem(name, str(error))


def _progress(name: str, number: int, total: int) -> str:
    which = f" ({number + 1} of {total})" if total > 1 else ""
    return f"Examining {name}{which}: scoring it, then each way of sending it on …"
