"""Whether all pixels of a JPEG are there. ITU-T T.81; libjpeg-turbo says what it remarks.

Pillow tells less: it refuses a file that lacks nothing but its end mark, and fills what is
missing before an end mark with grey.
"""

import re
from collections.abc import Iterator

from input_pipeline.images.missing_pixels import incomplete, share_missing
from input_pipeline.images.plugins import open_as

_END = b"\xff\xd9"
_SCAN, _PROGRESSIVE = 0xDA, 0xC2
_FRAMES = (0xC0, 0xC1, _PROGRESSIVE)
# A marker: not a stuffed byte, not a restart.
_MARKER = re.compile(rb"\xff([\x01-\xcf\xd8-\xfe])", re.DOTALL)
_PADDING = re.compile(r"Corrupt JPEG data: (\d+) extraneous bytes before marker 0xd9")


def completed(data: bytes | memoryview) -> bytes:
    """Returns a JPEG with its end mark, which may have been missing.

    Raises:
      UnreadableImageError: pixels are missing or corrupt.
    """
    whole = bytes(data)
    remark = _remark(whole)
    if remark.startswith("Premature end of JPEG file"):
        whole = whole.removesuffix(b"\xff") + _END
        remark = _remark(whole)
    elif (padding := _PADDING.match(remark)) and _is_padded(whole, int(padding[1])):
        remark = ""
    if remark:
        raise incomplete(remark, share_lacking(whole) or _share_of_rows(whole))
    check_scans(whole)
    return whole


def check_scans(data: bytes | memoryview) -> None:
    """Raises `UnreadableImageError` for a progressive JPEG whose last scans are missing."""
    if share := share_lacking(data):
        raise incomplete("the last scans of a progressive JPEG, which hold its detail", share)


def share_lacking(data: bytes | memoryview) -> float:
    """Of a progressive JPEG the share of coefficients of which no scan has the last bit.

    Such a file looks whole, and is blurred. 0 for other JPEGs, of which scans say nothing.
    """
    final: dict[int, set[int]] = {}
    for marker, _, body in _segments(bytes(data)):
        if marker == _PROGRESSIVE and len(body) >= 6:
            final = {component: set() for component in body[6::3][: body[5]]}
        elif marker == _SCAN and final and len(body) >= 4 + 2 * body[0]:
            first, last, bits = body[1 + 2 * body[0] : 4 + 2 * body[0]]
            for component in body[1 : 1 + 2 * body[0] : 2]:
                if bits & 15 == 0 and component in final:
                    final[component].update(range(first, min(last, 63) + 1))
    return 1 - sum(map(len, final.values())) / (64 * len(final)) if final else 0.0


def _segments(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Marker, where it stands, and content of each segment up to the first end mark."""
    at = 2
    while (found := _MARKER.search(data, at)) is not None:
        marker, start = found[1][0], found.end()
        length = 0 if marker == _END[1] else int.from_bytes(data[start : start + 2], "big")
        yield marker, found.start(), data[start + 2 : start + length]
        if marker == _END[1]:
            return
        at = start + max(2, length)


def _end_of(data: bytes) -> int:
    """Where the end mark stands, or the end of the file."""
    return next((start for marker, start, _ in _segments(data) if marker == _END[1]), len(data))


def _share_of_rows(data: bytes) -> float:
    cut = data[: _end_of(data)]
    return share_missing(lambda: open_as(cut, ["JPEG"]))


def _remark(data: bytes) -> str:
    """The first thing that libjpeg-turbo remarks on the pixels; '' for nothing, or no library."""
    try:
        from simplejpeg import decode_jpeg
    except ImportError:
        return ""
    frames = (body for marker, _, body in _segments(data) if marker in _FRAMES and len(body) > 5)
    components = next((body[5] for body in frames), 3)
    try:
        decode_jpeg(data, "CMYK" if components == 4 else "RGB", strict=True)
    except (ValueError, LookupError, RuntimeError, MemoryError) as error:
        text = str(error)
        # What else it says is that it cannot decode this kind of file: Pillow may.
        return text if text.startswith(("Corrupt JPEG data", "Premature end")) else ""
    return ""


def _is_padded(data: bytes, count: int) -> bool:
    """Whether what stands between the last pixels and the end mark is one byte repeated."""
    end = _end_of(data)
    return count > 0 and len(set(data[end - count : end])) == 1
