"""Damage to files, drawn by a seed: what copying, cutting and ill will make of them."""

from __future__ import annotations

import binascii
import dataclasses
import json
import pathlib
import random
import struct
from collections.abc import Callable, Sequence
from typing import Any

MOST_FLIPS = 12
LARGE = (0, 1, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 2**24, 2**31 - 1, 2**31, 2**32 - 1, 2**63 - 1, 2**64 - 1)
DEPTH = 5000  # of nested lists: beyond what Python's parsers take
_VALUES: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 0.5, 10**30, 1e308, float("nan"), float("inf"), "", "x", "1",
    "../../x", "\ud800", "a\0b", [], {}, [[]], [None], ["x", "x"], {"a": 1}, {"": None}, [1, "1"],
)  # fmt: skip


def mutate(rng: random.Random, data: bytes, other: bytes) -> bytes:
    """The file with one to three damages; `other` is of the same kind, for splices."""
    for _ in range(rng.randint(1, 3)):
        data = rng.choice(DAMAGES)(rng, data, other)
    return data


def mutate_json(rng: random.Random, data: bytes, other: bytes) -> bytes:
    """A JSON text: damaged as bytes, or with one or two values that are of another kind or gone."""
    if rng.random() < 0.25:
        return mutate(rng, data, other)
    if rng.random() < 0.02:
        return b"[" * DEPTH + data
    content = json.loads(data)
    for _ in range(rng.randint(1, 2)):
        content = _with_change(rng, content)
    return json.dumps(content).encode("utf-8", "surrogatepass")


def _with_change(rng: random.Random, content: Any) -> Any:
    """Changes one place, as often near the root as deep inside."""
    if not isinstance(content, dict | list) or not content or rng.random() < 0.1:
        return rng.choice(_VALUES)
    key = rng.choice([*content]) if isinstance(content, dict) else rng.randrange(len(content))
    draw = rng.random()
    if draw < 0.15:
        del content[key]
    elif draw < 0.2 and isinstance(content, dict):
        content[str(rng.choice(_VALUES))] = content.pop(key)
    elif draw < 0.45:
        content[key] = rng.choice(_VALUES)
    else:
        content[key] = _with_change(rng, content[key])
    return content


def _flips(rng: random.Random, data: bytes, other: bytes) -> bytes:
    changed = bytearray(data)
    for _ in range(rng.randint(1, MOST_FLIPS) if data else 0):
        changed[_place(rng, data)] ^= 1 << rng.randrange(8)
    return bytes(changed)


def _cut(rng: random.Random, data: bytes, _: bytes) -> bytes:
    return data[: rng.randrange(len(data) + 1)]


def _without_part(rng: random.Random, data: bytes, _: bytes) -> bytes:
    start, stop = _span(rng, data)
    return data[:start] + data[stop:]


def _swapped(rng: random.Random, data: bytes, _: bytes) -> bytes:
    """Two neighbouring parts in the other order."""
    start, middle, stop = sorted(rng.randrange(len(data) + 1) for _ in range(3))
    return data[:start] + data[middle:stop] + data[start:middle] + data[stop:]


def _repeated(rng: random.Random, data: bytes, _: bytes) -> bytes:
    start, stop = _span(rng, data)
    return data[:stop] + data[start:stop] * rng.randint(1, 3) + data[stop:]


def _large(rng: random.Random, data: bytes, _: bytes) -> bytes:
    """A length, where one may be, set to a large or an odd value."""
    size, at = rng.choice((1, 2, 4, 8)), _place(rng, data)
    value = (rng.choice(LARGE) % (1 << 8 * size)).to_bytes(size, "big")
    return data[:at] + (value if rng.random() < 0.5 else value[::-1]) + data[at + size :]


def _spliced(rng: random.Random, data: bytes, other: bytes) -> bytes:
    return data[: rng.randrange(len(data) + 1)] + other[rng.randrange(len(other) + 1) :]


def _zeros(rng: random.Random, data: bytes, _: bytes) -> bytes:
    start, stop = _span(rng, data)
    return data[:start] + bytes(stop - start) + data[stop:]


def _noise(rng: random.Random, data: bytes, _: bytes) -> bytes:
    start, stop = _span(rng, data)
    return data[:start] + rng.randbytes(stop - start) + data[stop:]


Damage = Callable[[random.Random, bytes, bytes], bytes]
DAMAGES: tuple[Damage, ...] = (
    _flips, _cut, _without_part, _swapped, _repeated, _large, _large, _spliced, _zeros, _noise,
)  # fmt: skip


def _place(rng: random.Random, data: bytes) -> int:
    """Half of the time in the head, where what decides the rest stands."""
    near = min(len(data), 128)
    return rng.randrange(max(1, near if rng.random() < 0.5 else len(data)))


def _span(rng: random.Random, data: bytes) -> tuple[int, int]:
    start = _place(rng, data)
    return start, min(len(data), start + rng.choice((1, 4, 16, 64, 256)))


def with_png_sums(data: bytes) -> bytes:
    """A PNG whose chunks' checksums are right, so that the damage reaches the decoder."""
    parts, at = [data[:8]], 8
    while at + 12 <= len(data):
        size = struct.unpack_from(">I", data, at)[0]
        body = data[at + 4 : at + 8 + size]
        if len(body) < 4 + size:
            break
        parts.append(data[at : at + 4] + body + struct.pack(">I", binascii.crc32(body)))
        at += 12 + size
    return b"".join(parts) + data[at:]


Read = Callable[[bytes, pathlib.Path], object]


@dataclasses.dataclass(frozen=True)
class Kind:
    """One kind of file: sound ones, how they are damaged, and what reads one.

    `read` is given the file's bytes and an empty folder; it raises `UserError` for a file that it
    cannot use, and any other error is a fault.
    """

    seeds: Sequence[bytes]
    read: Read
    damage: Damage = mutate
