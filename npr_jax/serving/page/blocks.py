"""The page's tabs as Gradio's blocks. Importing this imports Gradio: see ``page.mount``."""

from __future__ import annotations

import gradio as gr
from fastapi import FastAPI

from npr_jax.analysis.markup import escape
from npr_jax.serving.page import batch, compare, one
from npr_jax.serving.page import words as page_words
from npr_jax.serving.page.runs import Runs
from npr_jax.serving.page.shelf import Shelf
from npr_jax.serving.service import Service

_VISITORS = 200  # whose state Gradio keeps; 10000, its own limit, take 300 MB
_EVENTS_AT_ONCE = 8  # more wait in Gradio's queue; each holds a thread while it is worked on


def mount_blocks(app: FastAPI, service: Service, shelf: Shelf, examples: str) -> frozenset[int]:
    """Builds the page and mounts it at the application's root.

    Args:
        app: see ``page.mount``.
        service: see there.
        shelf: where the page's files wait.
        examples: HTML of the example pictures.

    Returns:
        the numbers of the page's events.
    """
    runs = Runs()
    with gr.Blocks(title=page_words.TITLE, analytics_enabled=False) as blocks:
        gr.HTML(_top(), js_on_load=None, apply_default_css=False, padding=False)
        with gr.Tabs():
            with gr.Tab("One picture", id="one"):
                one.build(service, shelf, runs, examples)
            with gr.Tab("Many files", id="batch"):
                batch.build(service, shelf, runs)
            with gr.Tab("Side by side", id="compare"):
                compare.build(service, shelf, runs)
        gr.HTML(_foot(service), js_on_load=None, apply_default_css=False, padding=False)

        def left(request: gr.Request) -> None:
            runs.stop(request.session_hash or "")

        blocks.unload(left)
    blocks.queue(max_size=service.limits.waiting, default_concurrency_limit=_EVENTS_AT_ONCE)
    blocks.state_session_capacity = _VISITORS
    # Gradio's own check that events name uploaded files only; it is off where nothing launched.
    blocks.has_launched = True
    gr.mount_gradio_app(
        app,
        blocks,
        path="/",
        footer_links=[],
        run_history=False,
        ssr_mode=False,
        mcp_server=False,
        pwa=False,
        enable_monitoring=False,
        allowed_paths=[],
        max_file_size=1,  # nothing is uploaded to Gradio
        show_error=False,
        theme=_theme(),
    )
    return frozenset(blocks.fns)


def _theme() -> gr.themes.Base:
    """Fonts that every system has, colours of the house; strings name fonts, nothing is loaded."""
    theme = gr.themes.Base(
        primary_hue="blue",
        neutral_hue="slate",
        font=["system-ui", "sans-serif"],
        font_mono=["ui-monospace", "monospace"],
    )
    return theme.set(
        body_background_fill="#f6f7f9",
        body_background_fill_dark="#14171b",
        body_text_color="#1b1f24",
        body_text_color_dark="#e7eaee",
        block_background_fill="transparent",
        block_background_fill_dark="transparent",
        block_border_width="0px",
        block_padding="0px",
        block_shadow="none",
    )


def _top() -> str:
    return (
        f'<div class="top"><h1>{escape(page_words.QUESTION)}</h1>'
        f'<button type="button" id="theme"></button><p>{escape(page_words.LEAD)}</p></div>'
        '<div id="spoken" role="status" aria-live="polite"></div>'
        '<div id="trouble" class="problem" role="alert" hidden></div>'
    )


def _foot(service: Service) -> str:
    words = "; ".join(f"{name}: {value}" for name, value in service.identity.items())
    return (
        f'<p class="soft foot">{escape(words)}. Programs use the <a href="api/v1/openapi.json">'
        "API</a>.</p>"
    )
