"""CBOR (RFC 8949) as far as manifests use it, from files that nobody vouches for.

General decoders turn tags into dates, regular expressions and numbers of any size, each a way to
keep a reader busy. Here tags are passed over, and what is read is never larger than the data.
"""

from typing import Any

_DEEPEST = 32  # arrays and maps within each other
_INT, _NEGATIVE, _BYTES, _TEXT, _ARRAY, _MAP, _TAG = range(7)
_BREAK = 0xFF
_SIMPLE = {20: False, 21: True}


def decode(data: bytes) -> Any:
    """The first item of the data: bool, int, bytes, str, list or dict; None for what else there is.

    Raises:
      ValueError: it is damaged, cut off or too deep.
    """
    try:
        return _item(data, 0, 0)[0]
    except (IndexError, TypeError) as error:  # cut off; a list or dict as a map's key
        raise ValueError("damaged CBOR") from error


def _item(data: bytes, place: int, depth: int) -> tuple[Any, int]:
    """The item at a place, and the place after it."""
    if depth > _DEEPEST:
        raise ValueError("CBOR of too many levels")
    kind, count, place = _head(data, place)
    if kind in (_BYTES, _TEXT):
        content, place = _string(data, place, count)
        return (content.decode("utf-8", "replace") if kind == _TEXT else content), place
    if kind == _ARRAY:
        return _items(data, place, count, depth)
    if kind == _MAP:
        flat, place = _items(data, place, None if count is None else 2 * count, depth)
        return dict(zip(flat[::2], flat[1::2], strict=False)), place
    if kind == _TAG:
        return _item(data, place, depth + 1)
    if kind == _INT:
        return count, place
    if kind == _NEGATIVE:
        return None if count is None else -1 - count, place
    return _SIMPLE.get(-1 if count is None else count), place


def _head(data: bytes, place: int) -> tuple[int, int | None, int]:
    """Kind and count of the item at a place (None: it ends with a break), and where it goes on."""
    kind, low = data[place] >> 5, data[place] & 31
    place += 1
    if low < 24:
        return kind, low, place
    if low < 28:
        size = 1 << (low - 24)
        if place + size > len(data):
            raise ValueError("cut off")
        return kind, int.from_bytes(data[place : place + size], "big"), place + size
    if low == 31:
        return kind, None, place
    raise ValueError("no CBOR")


def _string(data: bytes, place: int, count: int | None) -> tuple[bytes, int]:
    if count is not None:
        if place + count > len(data):
            raise ValueError("cut off")
        return data[place : place + count], place + count
    chunks = []
    while data[place] != _BREAK:
        _, length, place = _head(data, place)
        if length is None:
            raise ValueError("a chunk without a length")
        chunk, place = _string(data, place, length)
        chunks.append(chunk)
    return b"".join(chunks), place + 1


def _items(data: bytes, place: int, count: int | None, depth: int) -> tuple[list[Any], int]:
    found: list[Any] = []
    while len(found) != count:
        if count is None and data[place] == _BREAK:
            return found, place + 1
        value, place = _item(data, place, depth + 1)
        found.append(value)
    return found, place
