"""What stands before every route: who may ask, how much, and what browsers are told.

Plain ASGI, so that a request's body is counted while it arrives, and the page's routes are covered.
"""

import asyncio
import ipaddress
import math
import re
import socket
import urllib.parse
from collections.abc import Collection, Mapping
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from input_pipeline.errors import UserError
from npr_jax.serving.limits import CONTENT_TOO_LARGE, MEGA, UNAVAILABLE

FORBIDDEN, TOO_SLOW, MISDIRECTED = 403, 408, 421
_SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_WILDCARDS = ("0.0.0.0", "::", "")
_HOST_NAME = re.compile(r"(?=.{1,253}$)[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_-]+)*\.?")
UPLOADS_AT_ONCE = 64
SECONDS_BETWEEN_PARTS = 30  # of a body; who sends slower is gone
# All of a body may take these seconds, and one more for so many bytes that have come.
SECONDS_OF_GRACE, LEAST_BYTES_PER_SECOND = 30, 4096
# Where all places are taken, the slowest that is below this and has had so long makes room.
SPARED_BYTES_PER_SECOND, SPARED_SECONDS = 65_536, 5
SECONDS_OF_DRAINING = 10
_API = ("/api/", "/health")
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}
API_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
}


def error_response(
    identity: Mapping[str, str], status: int, message: str, retry_after: int = 0
) -> JSONResponse:
    """The one form of all errors, see ``schema.ErrorAnswer``."""
    content: dict[str, Any] = {key: identity[key] for key in ("version", "checkpoint")}
    content |= {"status": status, "error": message}
    headers = {"Retry-After": str(retry_after)} if retry_after else {}
    return JSONResponse(content, status, headers)


def allowed_hosts(flag: str) -> frozenset[str]:
    """The names that ``--allow_host`` gives, comma-separated, as browsers send them.

    Raises:
        UserError: one is no name of a host.
    """
    names = set()
    for given in filter(None, map(str.strip, flag.split(","))):
        try:
            name = given.encode("idna").decode().lower()
        except UnicodeError:
            name = ""
        if not (_HOST_NAME.fullmatch(name) or _is_address(name)):
            raise UserError(
                f"--allow_host={given}: expected the name alone, without scheme, port or path, as "
                "in --allow_host=pictures.example; several are separated by commas"
            )
        names.add(name)
    return frozenset(names)


def only_our_own(
    app: ASGIApp, *, host: str, allowed: Collection[str] = (), identity: Mapping[str, str]
) -> ASGIApp:
    """Refuses requests for other hosts (DNS rebinding) and writes that other sites' pages start.

    Args:
        app: what answers all other requests.
        host: that the server is bound to.
        allowed: further names that it answers for, see ``allowed_hosts``.
        identity: for error answers.
    """
    names, any_address = {*_LOOPBACK, host.lower(), *allowed}, host in _WILDCARDS
    if any_address:
        names |= {socket.gethostname().lower(), socket.getfqdn().lower()}

    def refusal(scope: Scope) -> tuple[int, str] | None:
        """Status and sentence for a request that is refused, None for any other."""
        headers = Headers(scope=scope)
        asked = headers.get("host", "")
        name = _name_of(asked)
        if not (name in names or (any_address and _is_address(name))):
            return MISDIRECTED, _does_not_answer_for(name)
        if scope["type"] == "http" and scope["method"] in _SAFE_METHODS:
            return None
        origin, site = headers.get("origin"), headers.get("sec-fetch-site", "none")
        foreign = origin is not None and not _is_ours(origin, headers, allowed)
        if foreign or site not in ("none", "same-origin"):
            return FORBIDDEN, "Pages of other sites may not send pictures to this server."
        return None

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        problem = refusal(scope) if scope["type"] in ("http", "websocket") else None
        if problem is None:
            return await app(scope, receive, send)
        if scope["type"] == "websocket":
            return await send({"type": "websocket.close", "code": 1008})
        await error_response(identity, *problem)(scope, receive, send)

    return answer


def _does_not_answer_for(name: str) -> str:
    if _HOST_NAME.fullmatch(name):
        return (
            f"This server does not answer for the host name {name}. Whoever runs it can allow "
            f"that: serve --allow_host={name}"
        )
    return "This server does not answer for that host name."


def _is_ours(origin: str, headers: Headers, allowed: Collection[str]) -> bool:
    """Whether a page of that origin is this server's own.

    A proxy may put another name into Host than the one the page has. That name is then one of
    those allowed, and the proxy or the browser says that the page has it: no script can write
    Sec-Fetch-Site, nor X-Forwarded-Host to another site without being asked for first.
    """
    place = urllib.parse.urlsplit(origin).netloc
    if place == headers.get("host", ""):
        return True
    forwarded = headers.get("x-forwarded-host", "").split(",")[0].strip()
    confirmed = headers.get("sec-fetch-site") == "same-origin" or place == forwarded
    return confirmed and _name_of(place) in allowed


def _name_of(host: str) -> str:
    """The name or address in a Host header, without port and brackets."""
    try:
        return urllib.parse.urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


class BoundedBodies:
    """Counts bodies while they arrive; refuses what is too large, too slow or too many at once."""

    def __init__(self, app: ASGIApp, *, max_body: int, identity: Mapping[str, str]) -> None:
        self._app = app
        self._max_body = max_body
        self._identity = identity
        self._uploads: set[_Counted] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] != "http" or scope["method"] in _SAFE_METHODS:
            return await self._app(scope, receive, send)
        request = _Counted(self, scope, receive, send)
        declared = Headers(scope=scope).get("content-length", "0")
        if not declared.isdecimal() or int(declared) > self._max_body:
            return await request.refuse()
        if len(self._uploads) >= UPLOADS_AT_ONCE and not self._make_room():
            busy = "Too many uploads at once. Please try again in 2 seconds."
            response = error_response(self._identity, UNAVAILABLE, busy, retry_after=2)
            return await response(scope, receive, send)
        self._uploads.add(request)
        try:
            await request.run()
        finally:
            self._uploads.discard(request)

    def _make_room(self) -> bool:
        """Sends the slowest sender away, if one is slow; whether there is room now."""
        rates = {upload: upload.bytes_per_second for upload in self._uploads}
        slowest = min(rates, key=lambda upload: rates[upload])
        if rates[slowest] >= SPARED_BYTES_PER_SECOND:
            return False
        slowest.send_away()
        self._uploads.discard(slowest)
        return True


class _BodyRefusedError(Exception):
    """Unwinds whatever was reading the body."""


class _Counted:
    """One request whose body is counted."""

    def __init__(self, bounds: BoundedBodies, scope: Scope, receive: Receive, send: Send) -> None:
        self._bounds = bounds
        self._scope, self._receive, self._send = scope, receive, send
        self._received = 0
        self._whole = False
        self._refused = False
        self._is_slow = False
        self._answered = False
        self._begun = asyncio.get_running_loop().time()
        self._waiting: asyncio.Timeout | None = None  # for a part of the body

    @property
    def bytes_per_second(self) -> float:
        """At which its body comes; infinite where that is not known yet, or it has come."""
        seconds = asyncio.get_running_loop().time() - self._begun
        if self._whole or self._waiting is None or seconds < SPARED_SECONDS:
            return math.inf
        return self._received / seconds

    def send_away(self) -> None:
        """Waits for no more of its body."""
        if self._waiting is not None and not self._waiting.expired():
            self._waiting.reschedule(asyncio.get_running_loop().time())

    async def run(self) -> None:
        app: Any = self._bounds._app
        try:
            await app(self._scope, self._counting, self._sending)
        except _BodyRefusedError:
            pass
        except Exception:
            if not self._refused:
                raise
        if self._refused and not self._answered:
            await self.refuse()

    async def refuse(self) -> None:
        """Answers that the body is too large, or comes too slowly."""
        if self._is_slow:
            slow = "The request came too slowly. Please try again, with a smaller file if need be."
            response = error_response(self._bounds._identity, TOO_SLOW, slow)
            response.headers["Connection"] = "close"  # what still comes is not waited for
            return await response(self._scope, self._receive, self._send)
        await self._drain()
        too_large = (
            f"The request has more than {self._bounds._max_body / MEGA:.0f} MB. Please send fewer "
            "or smaller files at once."
        )
        response = error_response(self._bounds._identity, CONTENT_TOO_LARGE, too_large)
        await response(self._scope, self._receive, self._send)

    async def _counting(self) -> Message:
        if self._refused:
            raise _BodyRefusedError
        if self._whole:
            return await self._receive()  # what comes now is that the client has gone
        now = asyncio.get_running_loop().time()
        end = self._begun + SECONDS_OF_GRACE + self._received / LEAST_BYTES_PER_SECOND
        try:
            async with asyncio.timeout_at(min(end, now + SECONDS_BETWEEN_PARTS)) as self._waiting:
                message = await self._receive()
        except TimeoutError:
            self._refused = self._is_slow = True
            raise _BodyRefusedError from None
        finally:
            self._waiting = None
        if message["type"] == "http.request":
            self._received += len(message.get("body", b""))
            self._whole = not message.get("more_body", False)
            if self._received > self._bounds._max_body:
                self._refused = True
                raise _BodyRefusedError
        return message

    async def _sending(self, message: Message) -> None:
        if self._refused and not self._answered:
            return  # whatever the route made of the broken body; ours follows
        if not self._answered:
            await self._drain()
        self._answered = True
        await self._send(message)

    async def _drain(self) -> None:
        """Takes what is still coming of a body that nobody reads, within bounds.

        A connection closed with bytes unread is reset, and the client would not see the answer.
        """
        if Headers(scope=self._scope).get("expect") and not self._received:
            return  # this client waits to be asked for its body
        end = asyncio.get_running_loop().time() + SECONDS_OF_DRAINING
        left = self._bounds._max_body
        while not self._whole and left > 0:
            try:
                async with asyncio.timeout_at(end):
                    message = await self._receive()
            except TimeoutError:
                return
            if message["type"] != "http.request":
                return
            left -= len(message.get("body", b""))
            self._whole = not message.get("more_body", False)


def security_headers(app: ASGIApp) -> ASGIApp:
    """Tells browsers not to guess types, frame, refer or share; the page adds its own policy."""

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await app(scope, receive, send)
        added = HEADERS | (API_HEADERS if scope["path"].startswith(_API) else {})

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in added.items():
                    headers.setdefault(name, value)
            await send(message)

        await app(scope, receive, with_headers)

    return answer
