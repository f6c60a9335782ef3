"""Clients of an HTTP server that mean ill, or have a bad line; what they do is drawn by a seed."""

from __future__ import annotations

import asyncio
import collections
import contextlib
import random
import socket
import struct
import time
import urllib.parse
from collections.abc import Awaitable, Callable

CONNECTIONS = 20  # that a slow sender holds at once
SLOW_SECONDS = 40.0
TOO_LARGE = 6_000_000  # bytes, beyond what the load's server takes
BOUNDARY = "--part"
_PATH = "/api/v1/score"


async def hostile(address: str, seed: int, until: float) -> collections.Counter[str]:
    """Does one ill thing after another until the time; how often each was done."""
    rng, done = random.Random(seed), collections.Counter[str]()
    url = urllib.parse.urlsplit(address)
    host, port = url.hostname or "127.0.0.1", url.port or 80
    while time.monotonic() < until:
        what = rng.choice(DEEDS)
        left = max(1.0, until - time.monotonic())
        with contextlib.suppress(OSError, TimeoutError, asyncio.IncompleteReadError):
            async with asyncio.timeout(min(left, SLOW_SECONDS)):
                await what(host, port, rng)
        done[what.__name__.strip("_")] += 1
        await asyncio.sleep(0.05)
    return done


async def _slow(host: str, port: int, rng: random.Random) -> None:
    """Many bodies at once, a byte of each a second."""
    await asyncio.gather(*(_trickle(host, port, rng) for _ in range(CONNECTIONS)))


async def _slow_head(host: str, port: int, rng: random.Random) -> None:
    """A head that never ends."""
    _, writer = await asyncio.open_connection(host, port)
    with contextlib.closing(writer):
        writer.write(f"POST {_PATH} HTTP/1.1\r\nHost: {host}:{port}\r\n".encode())
        while True:
            writer.write(b"X-A: b\r\n")
            await writer.drain()
            await asyncio.sleep(1)


async def _trickle(host: str, port: int, rng: random.Random) -> None:
    reader, writer = await asyncio.open_connection(host, port)
    with contextlib.closing(writer):
        writer.write(_head(host, port, 1_000_000) + _start_of_part())
        while not reader.at_eof():
            writer.write(b"x")
            await writer.drain()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(1):
                    await reader.read(1000)


async def _aborted(host: str, port: int, rng: random.Random) -> None:
    """Half a body, and then the connection is reset."""
    _, writer = await asyncio.open_connection(host, port)
    sock = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    with contextlib.closing(writer):
        writer.write(_head(host, port, 500_000) + _start_of_part() + rng.randbytes(200_000))
        await writer.drain()


async def _not_waiting(host: str, port: int, rng: random.Random) -> None:
    """A whole request whose sender does not wait for the answer."""
    _, writer = await asyncio.open_connection(host, port)
    with contextlib.closing(writer):
        body = _start_of_part() + rng.randbytes(100_000) + f"\r\n--{BOUNDARY}--\r\n".encode()
        writer.write(_head(host, port, len(body)) + body)
        await writer.drain()


async def _large(host: str, port: int, rng: random.Random) -> None:
    """More bytes than are taken, or so it says."""
    reader, writer = await asyncio.open_connection(host, port)
    with contextlib.closing(writer):
        if rng.random() < 0.5:
            writer.write(_head(host, port, 10**12) + _start_of_part())
        else:
            end = f"\r\n--{BOUNDARY}--\r\n".encode()
            size = len(_start_of_part()) + TOO_LARGE + len(end)
            writer.write(_head(host, port, size) + _start_of_part())
            for _ in range(TOO_LARGE // 100_000):
                writer.write(bytes(100_000))
                await writer.drain()
            writer.write(end)
        await writer.drain()
        await reader.read(1000)


async def _broken(host: str, port: int, rng: random.Random) -> None:
    """What is no form, no picture or no HTTP."""
    bodies = (
        rng.randbytes(3000),
        _start_of_part() + rng.randbytes(3000),
        b"--" + BOUNDARY.encode() + b"\r\n" * rng.randint(1, 50),
        _start_of_part() + b"\x89PNG\r\n\x1a\n" + rng.randbytes(500) + b"\r\n--" + b"x" * 100,
    )
    body = rng.choice(bodies)
    request = _head(host, port, len(body)) + body
    if rng.random() < 0.3:
        place = rng.randrange(len(request))
        request = request[:place] + rng.randbytes(8) + request[place + 8 :]
    reader, writer = await asyncio.open_connection(host, port)
    with contextlib.closing(writer):
        writer.write(request)
        await writer.drain()
        async with asyncio.timeout(10):
            await reader.read(1000)


Deed = Callable[[str, int, random.Random], Awaitable[None]]
DEEDS: tuple[Deed, ...] = (_slow, _slow_head, _aborted, _not_waiting, _large, _broken, _broken)


def _head(host: str, port: int, length: int) -> bytes:
    return (
        f"POST {_PATH} HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Length: {length}\r\n"
        f"Content-Type: multipart/form-data; boundary={BOUNDARY}\r\n\r\n"
    ).encode()


def _start_of_part() -> bytes:
    return (
        f"--{BOUNDARY}\r\nContent-Disposition: form-data; name=files; filename=a.png\r\n\r\n"
    ).encode()
