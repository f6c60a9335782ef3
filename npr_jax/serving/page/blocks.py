"""The page's tabs as Gradio's blocks. Importing this imports Gradio: see ``page.mount``."""

import gradio as gr
from fastapi import FastAPI

from npr_jax.serving.page import batch, closely
from npr_jax.serving.page.gradio_parts import html
from npr_jax.serving.page.jobs import Jobs
from npr_jax.serving.page.pending_files import PendingFiles
from npr_jax.serving.page.render import part
from npr_jax.serving.service import Service

_VISITORS = 200  # whose state Gradio keeps; 10000, its own limit, take 300 MB
_EVENTS_AT_ONCE = 8  # more wait in Gradio's queue; each holds a thread while it is worked on


def mount_blocks(
    app: FastAPI, service: Service, pending: PendingFiles, examples: str
) -> frozenset[int]:
    """Builds the page and mounts it at the application's root; gives the numbers of its events.

    `pending` are the files that the page has sent, `examples` is HTML of the example pictures.
    """
    jobs = Jobs()
    with gr.Blocks(title="Photograph or generated?", analytics_enabled=False) as blocks:
        html(part("frame.html", "top"))
        with gr.Tabs():
            with gr.Tab("One picture", id="one"):
                closely.build_one(service, pending, jobs, examples)
            with gr.Tab("Many files", id="batch"):
                batch.build(service, pending, jobs)
            with gr.Tab("Side by side", id="compare"):
                closely.build_compare(service, pending, jobs)
        html(part("frame.html", "foot", service.identity))

        def left(request: gr.Request) -> None:
            jobs.stop(request.session_hash or "")

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
