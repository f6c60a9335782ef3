"""Where pictures are dropped, pasted or chosen, and what comes of it on the server.

Gradio's own file components decode or rename what they are given, and keep it. Here the browser
sends each file's bytes as they are (page.js, ``POST page/upload``), and the event that follows
holds only the names under which they wait.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Iterator
from typing import Any

import gradio as gr

from npr_jax.analysis.markup import escape
from npr_jax.serving.limits import MEGA, Limits, Refused
from npr_jax.serving.page.card import problem

_LOG = logging.getLogger(__name__)
_SCRIPT = "nprPage.zone(element, trigger)"
UNEXPECTED = (
    "Something went wrong on the server with this request, and was written to its log. Other "
    "pictures are not affected; please try again, or with another picture."
)


def zone(title: str, hint: str, limits: Limits, *, part: str, max_files: int) -> gr.HTML:
    """A drop zone with a file chooser inside; its event is ``upload``.

    Args:
        title: what to do, in a few words.
        hint: small print below it.
        limits: of files.
        part: of the page, as in ``Runs``; also the element's identifier.
        max_files: that may be given at once.
    """
    several = " multiple" if max_files > 1 else ""
    html = (
        f'<div class="zone" data-part="{part}" data-max-files="{max_files}" '
        f'data-max-bytes="{limits.max_bytes}" data-max-zip-bytes="{limits.max_zip_bytes}">'
        f'<label class="drop"><input type="file"{several}>'
        f'<span class="drop-title">{escape(title)}</span><span class="soft">{escape(hint)}</span>'
        '</label><div class="sending" hidden><progress max="1" value="0" aria-label="Sending">'
        '</progress> <span></span></div><div class="problems" role="alert"></div></div>'
    )
    return gr.HTML(
        html, js_on_load=_SCRIPT, apply_default_css=False, elem_id=f"{part}-zone", padding=False
    )


def place(html: str = "", *, part: str, name: str) -> gr.HTML:
    """Where a part of the page shows what it has found."""
    return gr.HTML(
        html, js_on_load=None, apply_default_css=False, elem_id=f"{part}-{name}", padding=False
    )


def size_hint(limits: Limits) -> str:
    """What may be given, in words."""
    return (
        f"up to {limits.max_bytes / MEGA:g} MB and {limits.max_pixels / MEGA:g} million pixels each"
    )


def tokens_of(event: gr.EventData, max_files: int) -> list[str]:
    """The names under which the event's files wait.

    Raises:
        Refused: for an event that the page does not send, or with too many files.
    """
    data: Any = event._data
    tokens = data.get("tokens") if isinstance(data, dict) else None
    if not isinstance(tokens, list) or not all(isinstance(token, str) for token in tokens):
        raise Refused("No picture was given.")
    if not tokens:
        raise Refused("No picture was given. Drop one on the page, paste one, or choose a file.")
    if len(tokens) > max_files:
        raise Refused(f"These are {len(tokens)} files; at most {max_files} are taken at once.")
    return tokens


def in_words(handler: Callable[..., Iterator[Any]], empty: Any = None) -> Callable[..., Any]:
    """The handler with every error turned into a sentence in its (first) output.

    Args:
        handler: yields HTML, or tuples that begin with HTML.
        empty: what the outputs after the first get with an error; None: there are none.
    """

    @functools.wraps(handler)
    def safe(event: gr.EventData, request: gr.Request) -> Iterator[Any]:
        try:
            yield from handler(event, request)
        except Refused as error:
            sentence = str(error)
        except Exception:  # noqa: BLE001 - whatever it was, the page says so in words
            _LOG.exception("the page could not answer")
            sentence = UNEXPECTED
        else:
            return
        shown = problem("", sentence)
        yield shown if empty is None else (shown, *empty)

    # What Gradio reads to know what to pass; of `handler` it would be strings.
    safe.__annotations__ = {"event": gr.EventData, "request": gr.Request}
    del safe.__wrapped__
    return safe


def working(words: str, done: int, total: int) -> str:
    """A progress bar and what is being done."""
    # Of a single thing nobody knows how far it is.
    value = f'value="{done}" max="{total}"' if total > 1 else ""
    return (
        f'<div class="working"><progress {value} aria-label="Progress"></progress>'
        f"<p>{escape(words)}</p></div>"
    )
