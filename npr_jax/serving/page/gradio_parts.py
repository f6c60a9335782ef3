"""Gradio's side of the page: drop zones, places for results, and events that answer in words.

Gradio's own file components decode or rename what they are given, and keep it. Here the browser
sends each file's bytes as they are (page.js, ``POST page/upload``), and the event that follows
holds only the names under which they wait.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import gradio as gr

from npr_jax.serving.limits import MEGA, Limits, Refused
from npr_jax.serving.page.jobs import Jobs, Stop
from npr_jax.serving.page.render import part, problem

_LOG = logging.getLogger(__name__)
_UNEXPECTED = (
    "Something went wrong on the server with this request, and was written to its log. Other "
    "pictures are not affected; please try again, or with another picture."
)


def html(content: str = "", *, element: str | None = None, script: str | None = None) -> gr.HTML:
    """A piece of the page, `element` its identifier; `script` runs when it is there."""
    return gr.HTML(
        content, js_on_load=script, apply_default_css=False, elem_id=element, padding=False
    )


def zone(title: str, hint: str, limits: Limits, *, tab: str, max_files: int) -> gr.HTML:
    """A drop zone with a file chooser inside; its event is ``upload``.

    `tab` is the part of the page, as in ``Jobs``, and `max_files` what may be given at once.
    """
    content = part("frame.html", "zone", title, hint, limits, tab, max_files)
    return html(content, element=f"{tab}-zone", script="nprPage.zone(element, trigger)")


def on_upload(
    given: gr.HTML,
    handler: Callable[[list[str], Stop], Iterator[Any]],
    outputs: Any,
    *,
    jobs: Jobs,
    tab: str,
    most: int,
    empty: Sequence[Any] = (),
) -> Any:
    """Has a zone's files handled; every error becomes a sentence in the first output.

    `handler` takes the names under which the files wait, at most so many, and what is set when it
    shall stop. It yields HTML, or tuples that begin with HTML, for `outputs`; those after the first
    get what is `empty` with an error.
    """

    def safe(event: gr.EventData, request: gr.Request) -> Iterator[Any]:
        """What the handler yields; an error becomes a sentence."""
        try:
            tokens = tokens_of(event, most)
            with jobs.begin(request.session_hash or "", tab) as stopped:
                yield from handler(tokens, stopped)
            return
        except Refused as error:
            shown = problem("", str(error))
        except Exception:  # noqa: BLE001 - whatever it was, the page says so in words
            _LOG.exception("the page could not answer")
            shown = problem("", _UNEXPECTED)
        yield (shown, *empty) if empty else shown

    return given.upload(
        safe,
        outputs=outputs,
        show_progress="hidden",
        trigger_mode="multiple",
        api_visibility="private",
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


def working(words: str, done: int, total: int) -> str:
    """A progress bar and what is being done."""
    return part("parts.html", "working", words, done, total)
