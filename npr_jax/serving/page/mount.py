"""The page that ``serve`` shows: Gradio's blocks in the application, behind the guard."""

import importlib.resources
import os
import threading
from collections.abc import Callable
from typing import Any

from fastapi import FastAPI
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Match

from input_pipeline.simulation.examples import EXAMPLES, render_examples
from npr_jax.serving.page.guard import page_guard
from npr_jax.serving.page.pending_files import PendingFiles
from npr_jax.serving.page.render import part
from npr_jax.serving.service import Service

_FILES = {"page.js": "text/javascript", "page.css": "text/css"}
_HEAD = (
    '<link rel="stylesheet" href="page/page.css"><script src="page/page.js"></script>'
    '<link rel="icon" href="page/icon.svg">'
)
_ICON = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><circle cx="12" cy="16" r="9" '
    'fill="#0072b2"/><path d="M21 7l9 9l-9 9l-9-9z" fill="#d55e00" fill-opacity=".85"/></svg>'
)
# Gradio asks for the newest version and reports its use, and Hugging Face's library its own.
_NO_NETWORK = {
    "GRADIO_ANALYTICS_ENABLED": "False",
    "GRADIO_RUN_HISTORY": "False",
    "GRADIO_SSR_MODE": "False",
    "GRADIO_MCP_SERVER": "False",
    "HF_HUB_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "DO_NOT_TRACK": "1",
}


def mount(app: FastAPI, service: Service) -> FastAPI:
    """Adds the page at the root of ``server.build_app``'s application, after the API's routes.

    Gradio is imported here and not before, with everything switched off that would ask another
    host for something; that holds for the whole process.
    """
    os.environ |= _NO_NETWORK
    pending = PendingFiles(service.limits)
    _add_routes(app, pending)
    ours = _own_paths(app)
    from npr_jax.serving.page.blocks import mount_blocks

    events = mount_blocks(app, service, pending, part("frame.html", "examples", EXAMPLES))
    guard = Middleware(page_guard, ours=ours, events=events, head=_HEAD, identity=service.identity)
    # The last to see a request: it reads messages, which who may ask and how much comes before.
    app.user_middleware.append(guard)
    return app


def _add_routes(app: FastAPI, pending: PendingFiles) -> None:
    """The page's own files and the way in for pictures."""

    png_of_example = _rendered_when_asked()

    @app.post("/page/upload", include_in_schema=False)
    async def upload(request: Request, name: str = "picture") -> Response:
        with pending.writer(name) as writer:
            async for chunk in request.stream():
                await run_in_threadpool(writer.write, chunk)
        return JSONResponse({"token": writer.token})

    @app.delete("/page/upload/{token}", include_in_schema=False)
    def forget(token: str) -> Response:
        pending.forget(token)
        return Response(status_code=204)

    @app.get("/page/examples/{number}.png", include_in_schema=False)
    def example(number: int) -> Response:
        if not 0 <= number < len(EXAMPLES):
            raise HTTPException(404, "There is no such example.")
        return Response(png_of_example(number), media_type="image/png")

    @app.get("/page/icon.svg", include_in_schema=False)
    async def icon() -> Response:
        return Response(_ICON, media_type="image/svg+xml")

    for name, kind in _FILES.items():
        _add_file(app, name, kind)


def _rendered_when_asked() -> Callable[[int], bytes]:
    """The PNG file of an example by its number; the first call renders all of them.

    Before that a server starts without waiting for them.
    """
    lock = threading.Lock()
    rendered: list[bytes] = []

    def png_of_example(number: int) -> bytes:
        with lock:
            if not rendered:
                rendered.extend(render_examples())
        return rendered[number]

    return png_of_example


def _add_file(app: FastAPI, name: str, kind: str) -> None:
    content = importlib.resources.files("npr_jax.serving.page").joinpath(name).read_bytes()

    @app.get(f"/page/{name}", include_in_schema=False)
    async def file() -> Response:
        return Response(content, media_type=kind, headers={"Cache-Control": "no-cache"})


def _own_paths(app: FastAPI) -> Callable[[Any], Match]:
    """How a request fits the routes that the application has before the page is mounted."""
    routes = list(app.router.routes)

    def ours(scope: Any) -> Match:
        matches = [route.matches(scope)[0] for route in routes]
        return max(matches, key=lambda match: match.value)

    return ours
