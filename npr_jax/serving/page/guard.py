"""What of Gradio may be reached, and what its answers may make a browser do.

Gradio brings routes that this page does not need: files of its cache, a proxy, uploads, log-in,
calls by name, recordings. It copies a file of the server's disk into its cache, or fetches a web
address, when somebody sends a made-up description of a file to an event (seen with 6.31 mounted in
another application, where its own check is off). So nothing passes that is not named here, and no
event's message may describe a file: the page's own uploads go another way (``page_shelf``).
"""

import json
import re
import secrets
from collections.abc import Callable, Collection, Mapping
from typing import Any

from starlette.datastructures import MutableHeaders
from starlette.routing import Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from npr_jax.serving.guards import error_response
from npr_jax.serving.limits import UNUSABLE

# What the page asks Gradio for, after the path it is mounted at.
_READ = (
    r"/|/config/?|/theme\.css|/assets/.*|/static/.*|/favicon\.ico|/robots\.txt"
    r"|/gradio_api/(theme\.css|queue/data|heartbeat/[\w-]+|startup-events|app_id)/?"
)
_WRITTEN = r"/gradio_api/(queue/join|cancel|reset)/?"
_ALLOWED = {
    "GET": re.compile(_READ),
    "HEAD": re.compile(_READ),
    "POST": re.compile(_WRITTEN),
}
MAX_MESSAGE = 1_000_000  # bytes of an event's message, which holds no picture
_SESSION = re.compile(r"[\w-]{1,64}")  # Gradio keeps what visitors call themselves
# Elements of Gradio's index.html that name other hosts, or this server's root.
_OUTSIDE = re.compile(
    r"<meta\b[^>]*(?:property|name)=\"(?:og|twitter):[^>]*>|<link rel=\"manifest\"[^>]*>"
)
_SCRIPT = re.compile(r"<script\b")
# Gradio's guess of the page's address, made of headers, which do not say a proxy's sub-path.
_ROOT = re.compile(r'const root = "[^"]*";')
_OWN_ADDRESS = (
    'const root = window.gradio_config.root = document.baseURI.replace(/[?#].*/, "")'
    '.replace(/[/]$/, "");'
)


def page_guard(
    app: ASGIApp,
    *,
    ours: Callable[[Scope], Match],
    events: Collection[int],
    head: str,
    identity: Mapping[str, str],
) -> ASGIApp:
    """ASGI middleware around the application that Gradio is mounted in.

    Args:
        app: what answers.
        ours: how a request fits the application's own routes, which are left alone.
        events: numbers of the events that the page has.
        head: HTML for the head of the page.
        identity: for error answers.
    """

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":  # Gradio's page uses none
            return await send({"type": "websocket.close", "code": 1008})
        fit = ours(scope) if scope["type"] == "http" else Match.FULL
        if fit == Match.FULL:
            return await app(scope, receive, send)
        path, allowed = scope["path"], _ALLOWED.get(scope["method"])
        problem: tuple[int, str] | None = None
        if fit == Match.PARTIAL:  # Gradio, which takes every path, would answer
            problem = 405, "Method Not Allowed"
        elif allowed is None or not allowed.fullmatch(path):
            problem = 404, "There is nothing here."
        elif scope["method"] == "POST":
            message, problem = await _message(receive, events if "/queue/join" in path else None)
            receive = _once(message, receive)
            scope = dict(scope, headers=_with_length(scope["headers"], len(message)))
        if problem:
            return await error_response(identity, *problem)(scope, receive, send)
        scope = dict(scope, query_string=_kept_query(path, scope["query_string"]))
        nonce = secrets.token_urlsafe(18)
        await app(scope, receive, _with_policy(send, nonce, head, path == "/"))

    return answer


def _with_policy(send: Send, nonce: str, head: str, is_page: bool) -> Send:
    """Sends an answer on with the page's policy; the page itself without outside addresses."""
    start: Message | None = None
    body = bytearray()

    async def sending(message: Message) -> None:
        nonlocal start
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            headers["content-security-policy"] = policy(nonce)
            if is_page and headers.get("content-type", "").startswith("text/html"):
                headers["cache-control"] = "no-store"  # its policy holds for this once
                start = message
                return
        elif start is not None:
            body.extend(message.get("body", b""))
            if message.get("more_body"):
                return
            page = rewritten(body.decode("utf-8"), nonce, head).encode()
            MutableHeaders(scope=start)["content-length"] = str(len(page))
            await send(start)
            message = {"type": "http.response.body", "body": page}
        await send(message)

    return sending


def policy(nonce: str) -> str:
    """The content security policy of the page.

    Scripts are the server's own files and those of the page that carry the nonce, so markup from
    a picture's name or metadata cannot run, were it ever to get through. Gradio builds the
    templates of its HTML component with `new Function`, hence `unsafe-eval`, and styles elements
    from scripts. Nothing may be fetched from anywhere else.
    """
    return (
        f"default-src 'none'; script-src 'self' 'nonce-{nonce}' 'unsafe-eval'; "
        "style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self'; "
        "connect-src 'self'; base-uri 'self'; form-action 'none'; frame-ancestors 'none'"
    )


def rewritten(page: str, nonce: str, head: str) -> str:
    """Gradio's page with nothing that names another host, its scripts allowed to run.

    It asks for everything below the address that the browser has of it, whatever stands between.
    """
    page = _OUTSIDE.sub("", page)
    page = _ROOT.sub(_OWN_ADDRESS, page, count=1)
    page = page.replace("</head>", f"{head}</head>", 1)
    # User's text is in none of these: Gradio writes its settings as JSON without `<`.
    return _SCRIPT.sub(f'<script nonce="{nonce}"', page)


async def _message(
    receive: Receive, events: Collection[int] | None
) -> tuple[bytes, tuple[int, str] | None]:
    """An event's message, parsed and written anew; or why it is refused: status and sentence."""
    body = bytearray()
    while True:
        part = await receive()
        if part["type"] == "http.disconnect":
            return b"", (400, "The message broke off.")
        body += part.get("body", b"")
        if len(body) > MAX_MESSAGE:
            return b"", (413, "The message is too large.")
        if not part.get("more_body"):
            break
    try:
        content = json.loads(bytes(body))
        # Numbers that JSON has not would break the answer that complains of them.
        message = json.dumps(content, allow_nan=False).encode()
    except (ValueError, RecursionError):
        return b"", (400, "The message is no JSON.")
    if _describes_file(content):
        return b"", (403, "A message may not name files; send pictures with POST /page/upload.")
    if events is not None and not _is_event(content, events):
        return b"", (UNUSABLE, "The page sends no such message.")
    return message, None


def _is_event(content: Any, events: Collection[int]) -> bool:
    """Whether a message is for an event of this page; Gradio fails where it is for another."""
    if not isinstance(content, dict):
        return False
    number, session = content.get("fn_index"), content.get("session_hash")
    known = isinstance(number, int) and number in events
    return known and isinstance(session, str) and _SESSION.fullmatch(session) is not None


def _describes_file(content: Any) -> bool:
    """Whether any object in a message has what Gradio takes for a file."""
    waiting = [content]
    while waiting:
        item = waiting.pop()
        if isinstance(item, dict):
            if "path" in item or "url" in item:
                return True
            waiting.extend(item.values())
        elif isinstance(item, list):
            waiting.extend(item)
    return False


def _once(message: bytes, receive: Receive) -> Receive:
    """A receiver that gives the message, then whatever comes (that the client is gone)."""
    sent = False

    async def again() -> Message:
        nonlocal sent
        if sent:
            return await receive()
        sent = True
        return {"type": "http.request", "body": message, "more_body": False}

    return again


def _with_length(headers: list[tuple[bytes, bytes]], length: int) -> list[tuple[bytes, bytes]]:
    kept = [pair for pair in headers if pair[0] not in (b"content-length", b"transfer-encoding")]
    return [*kept, (b"content-length", str(length).encode())]


def _kept_query(path: str, query: bytes) -> bytes:
    """The query; the page itself has none: Gradio's would name pages and saved states."""
    return b"" if path.rstrip("/") in ("", "/config") else query
