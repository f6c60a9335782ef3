"""Whether all pixels of a JPEG are there. ITU-T T.81; libjpeg-turbo says what it remarks.

Pillow tells less: it refuses a file that lacks nothing but its end mark, and fills what is
missing before an end mark with grey.
"""

import re
from collections.abc import Iterator

from input_pipeline.images.missing_pixels import incomplete, share_missing
from input_pipeline.images.plugins import open_as
from input_pipeline.images.problems import UnreadableImageError

_END = b"\xff\xd9"
_SCAN, _PROGRESSIVE = 0xDA, 0xC2
_FRAMES = (0xC0, 0xC1, _PROGRESSIVE)  # of Huffman's codes
_BITS = 11  # of a coefficient, of samples of 8
_DETAIL = "coefficients' bits"
_PIXELS_PER_BYTE = 512  # at the most: a block of 64 has one bit or more
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
        raise _incomplete(whole, remark)
    check_scans(whole)
    return whole


def fewest_bytes(data: bytes | memoryview, size: tuple[int, int]) -> int:
    """What a JPEG of this (width, height) has at the least whose pixels are all there.

    0 where that is not known: its first component is smaller than the picture, or its codes are
    arithmetic.
    """
    fewest = size[0] * size[1] // _PIXELS_PER_BYTE
    if fewest <= len(data):  # so that the segments of nearly all files need not be looked at
        return fewest
    frames = (body for marker, _, body in _segments(bytes(data)) if marker in _FRAMES)
    frame = next(frames, b"")
    sampling = frame[7::3][: frame[5]] if len(frame) > 7 else b""
    widest, highest = (max((f(s) for s in sampling), default=0) for f in (_across, _down))
    is_full = sampling[:1] == bytes([widest << 4 | highest])
    return fewest if is_full else 0


def check_scans(data: bytes | memoryview) -> None:
    """Raises `UnreadableImageError` for a progressive JPEG whose last scans are missing."""
    if share := share_lacking(data):
        raise incomplete("the last scans of a progressive JPEG", share, what=_DETAIL)


def share_lacking(data: bytes | memoryview, *, but_the_last: bool = False) -> float:
    """Of a progressive JPEG the share of its coefficients' bits that no scan has.

    Such a file looks whole, and is blurred. 0 for other JPEGs, of which scans say nothing.

    Args:
      data: the file.
      but_the_last: whether to leave out the last scan, as one that is cut short.
    """
    lowest: dict[int, list[int]] = {}  # of each component's coefficients the lowest bit there is
    scans = []
    for marker, _, body in _segments(bytes(data)):
        if marker == _PROGRESSIVE and len(body) >= 6:
            lowest = {component: [_BITS] * 64 for component in body[6::3][: body[5]]}
        elif marker == _SCAN and lowest and len(body) >= 4 + 2 * body[0]:
            scans.append(body)
    for body in scans[:-1] if but_the_last else scans:
        first, last, bits = body[1 + 2 * body[0] : 4 + 2 * body[0]]
        for component in body[1 : 1 + 2 * body[0] : 2]:
            if component in lowest:
                there = lowest[component][first : min(last, 63) + 1]
                lowest[component][first : min(last, 63) + 1] = [min(b, bits & 15) for b in there]
    return sum(map(sum, lowest.values())) / (64 * _BITS * len(lowest)) if lowest else 0.0


def _incomplete(whole: bytes, remark: str) -> UnreadableImageError:
    is_progressive = share_lacking(whole, but_the_last=True) > 0
    if not is_progressive:
        return incomplete(remark, _share_of_rows(whole), bound="up to")
    if "premature end" in remark.lower():  # of the last scan, which ends somewhere
        share = share_lacking(whole, but_the_last=True)
        return incomplete(remark, share, what=_DETAIL, bound="up to")
    return incomplete(remark, share_lacking(whole), what=_DETAIL)


def _across(sampling: int) -> int:
    return sampling >> 4


def _down(sampling: int) -> int:
    return sampling & 15


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
