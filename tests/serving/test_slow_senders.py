"""Who sends slowly keeps nobody else from sending.

By a clock of its own: on a machine that stands still for a while everybody would be slow.
"""

import asyncio
import json
import selectors

import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse

from npr_jax.serving import guards

IDENTITY = {"version": "1", "checkpoint": "c"}


class Leaping(selectors.DefaultSelector):
    """Does not wait, but says how long it should have."""

    waited = 0.0

    def select(self, timeout=None):
        self.waited += timeout or 0.0
        return super().select(0 if timeout else timeout)


class Timeless(asyncio.SelectorEventLoop):
    """Its clock stands still while anything runs, and leaps to the next alarm when nothing can."""

    def __init__(self):
        self.leaping = Leaping()
        super().__init__(self.leaping)

    def time(self):
        return self.leaping.waited


def timeless(scene):
    """What a coroutine returns."""
    with asyncio.Runner(loop_factory=Timeless) as runner:
        return runner.run(scene)


@pytest.fixture
def bounds(monkeypatch):
    """Two places; slow is below 1000 bytes a second after 0.05 s."""
    monkeypatch.setattr(guards, "UPLOADS_AT_ONCE", 2)
    monkeypatch.setattr(guards, "SPARED_SECONDS", 0.05)
    monkeypatch.setattr(guards, "SPARED_BYTES_PER_SECOND", 1000)

    async def app(scope, receive, send):
        body = await Request(scope, receive).body()
        await PlainTextResponse(str(len(body)))(scope, receive, send)

    return guards.BoundedBodies(app, max_body=10_000_000, identity=IDENTITY)


async def ask(bounds, parts, pause=0.0, then=None):
    """Sends the parts of a body with a pause before each; (status, headers, body, seconds)."""
    coming = iter(parts)
    begun = asyncio.get_running_loop().time()

    async def receive():
        await asyncio.sleep(pause)
        part = next(coming, None)
        if part is None:
            await (then or asyncio.Event()).wait()
            return {"type": "http.request", "body": b"", "more_body": False}
        return {"type": "http.request", "body": part, "more_body": True}

    sent = []

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": "/", "headers": []}
    await bounds(scope, receive, send)
    start, *bodies = sent
    headers = {name.decode(): value.decode() for name, value in start["headers"]}
    body = b"".join(message.get("body", b"") for message in bodies)
    return start["status"], headers, body, asyncio.get_running_loop().time() - begun


def whole():
    """An event that has come: the body ends at once."""
    event = asyncio.Event()
    event.set()
    return event


def test_slow_senders_make_room_where_all_places_are_taken(bounds):
    async def scene():
        slow = [asyncio.create_task(ask(bounds, [b"x"] * 10_000, 0.02)) for _ in range(2)]
        await asyncio.sleep(0.2)
        honest = await ask(bounds, [bytes(4000)], then=whole())
        await asyncio.sleep(0.05)
        gone = [task for task in slow if task.done()]
        others = [task for task in slow if not task.done()]
        for task in others:
            task.cancel()
        return honest, [task.result() for task in gone], len(others)

    honest, gone, left = timeless(scene())
    assert honest[:1] + honest[2:3] == (200, b"4000")
    assert left == 1, "one made room, and one was enough"
    [(status, headers, body, _)] = gone
    assert (status, headers["connection"]) == (408, "close")
    assert "too slowly" in json.loads(body)["error"]


def test_quick_senders_are_not_sent_away(bounds):
    async def scene():
        quick = [asyncio.create_task(ask(bounds, [bytes(10_000)] * 1000, 0.01)) for _ in range(2)]
        await asyncio.sleep(0.2)
        late = await ask(bounds, [b"x"], then=whole())
        still = [task for task in quick if not task.done()]
        for task in still:
            task.cancel()
        return late, len(still)

    late, still = timeless(scene())
    assert late[0] == 503
    assert late[1]["retry-after"]
    assert still == 2


def test_a_body_that_trickles_in_has_an_end(bounds, monkeypatch):
    monkeypatch.setattr(guards, "SECONDS_OF_GRACE", 0.2)
    monkeypatch.setattr(guards, "LEAST_BYTES_PER_SECOND", 1000)
    status, _, _, seconds = timeless(ask(bounds, [b"x"] * 10_000, 0.02))
    assert status == 408
    assert 0.2 < seconds < 0.25, "grace, and the time that the bytes by then have earned"


def test_a_body_at_the_least_speed_is_taken(bounds, monkeypatch):
    monkeypatch.setattr(guards, "SECONDS_OF_GRACE", 0.3)
    monkeypatch.setattr(guards, "LEAST_BYTES_PER_SECOND", 100)

    async def scene():
        return await ask(bounds, [bytes(500)] * 5, 0.15, whole())

    status, _, body, seconds = timeless(scene())
    assert (status, body) == (200, b"2500")
    assert seconds > 0.5, "more than the seconds of grace"
