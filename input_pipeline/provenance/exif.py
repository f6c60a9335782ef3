"""Texts of EXIF directories, read from their bytes as written, in every encoding they come in.

Exif 3.0 (CIPA DC-008-2023) has its private tags in a directory of their own; programs around
generators write UserComment and MakerNote into directory 0 as well, so every tag is looked for in
both.
"""

import struct
from collections.abc import Iterator
from typing import Literal

_NAMES = {
    0x000B: "ProcessingSoftware",
    0x010D: "DocumentName",
    0x010E: "ImageDescription",
    0x010F: "Make",
    0x0110: "Model",
    0x0131: "Software",
    0x013B: "Artist",
    0x013C: "HostComputer",
    0x8298: "Copyright",
    0x927C: "MakerNote",
    0x9286: "UserComment",
    0x9C9B: "XPTitle",
    0x9C9C: "XPComment",
    0x9C9D: "XPAuthor",
    0x9C9E: "XPKeywords",
    0x9C9F: "XPSubject",
    0xA40B: "DeviceSettingDescription",
    0xA436: "ImageTitle",
    0xA43A: "CameraFirmware",
    0xA43B: "RAWDevelopingSoftware",
    0xA43C: "ImageEditingSoftware",
    0xA43D: "MetadataEditingSoftware",
}
XMP_TAG, IPTC_TAG, PHOTOSHOP_TAG = 0x02BC, 0x83BB, 0x8649
_PRIVATE = 0x8769
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 129: 1}
_MAX_ENTRIES = 500  # of one directory
_MAX_DIRECTORIES = 8  # that lead to each other; two are usual
# TIFF headers whose first directory follows, which Exif is nearly always written with.
HEADERS = (b"II*\0\x08\0\0\0", b"MM\0*\0\0\0\x08")
_COMMENT_CODES = {
    b"ASCII\0\0\0": "ascii",
    b"UNICODE\0": "unicode",
    b"Unicode\0": "unicode",
    b"JIS\0\0\0\0\0": "jis",
    b"\0" * 8: "undefined",
}
_PRINTABLE_SHARE = 0.9
Order = Literal["little", "big"]


def exif_fields(block: bytes) -> Iterator[tuple[int, bytes, Order]]:
    """Tag, bytes and byte order of every field of a TIFF block's directory 0 and private one.

    It ends where the fields have more bytes than the block, twice: they lie upon each other.
    """
    order: Order = "little" if block[:2] == b"II" else "big"
    sign = "<" if order == "little" else ">"
    if block[:4] not in (b"II*\0", b"MM\0*") or len(block) < 8:
        return
    waiting, seen = [struct.unpack_from(sign + "I", block, 4)[0]], set[int]()
    left = 2 * len(block)
    while waiting and len(seen) < _MAX_DIRECTORIES:
        place = waiting.pop()
        if place in seen or place + 2 > len(block):
            continue
        seen.add(place)
        count = struct.unpack_from(sign + "H", block, place)[0]
        for number in range(min(count, _MAX_ENTRIES)):
            entry = place + 2 + 12 * number
            if entry + 12 > len(block):
                break
            tag, kind, length = struct.unpack_from(sign + "HHI", block, entry)
            size = _SIZES.get(kind, 1) * length
            at = entry + 8 if size <= 4 else struct.unpack_from(sign + "I", block, entry + 8)[0]
            if tag == _PRIVATE:
                waiting.append(struct.unpack_from(sign + "I", block, entry + 8)[0])
                continue
            value = block[at : at + size]
            if (left := left - len(value)) < 0:
                return
            yield tag, value, order


def exif_texts(block: bytes) -> Iterator[tuple[str, str]]:
    """Name and text of the fields that may say where a picture comes from."""
    for tag, value, order in exif_fields(block):
        name = _NAMES.get(tag)
        if name is None:
            continue
        if name == "UserComment":
            text = comment_text(value, order)
        elif name.startswith("XP"):
            text = value.decode("utf-16-le", errors="replace").removeprefix("\ufeff")
        elif name in ("MakerNote", "DeviceSettingDescription"):
            text = _text_in_binary(value, order)
        else:
            text = _utf8_or_latin1(value)
        if text := text.strip("\0 \t\r\n"):
            yield name, text


def comment_text(value: bytes, order: Order) -> str:
    """The text of a UserComment, whose first eight bytes name its encoding, or are its own.

    UTF-16 is written in the block's byte order, or in the other, or with a mark of its own.
    """
    code = _COMMENT_CODES.get(value[:8])
    body = value if code is None else value[8:]
    if code == "unicode" or body[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return _utf16(body, order)
    if code == "jis":
        return _first_that_fits(body, ("iso2022_jp", "shift_jis", "euc_jp"))
    if b"\0" in body.rstrip(b"\0"):  # of no encoding that is written without zeros
        return _utf16(body, order)
    return _utf8_or_latin1(body)


def _utf16(body: bytes, order: Order) -> str:
    if body[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return body.decode("utf-16", errors="replace")
    body = body[: len(body) // 2 * 2]
    little, big = (body.decode(f"utf-16-{end}", errors="replace") for end in ("le", "be"))
    if (a := _plausible(little)) != (b := _plausible(big)):
        return little if a > b else big
    return little if order == "little" else big


def _plausible(text: str) -> int:
    """How much of a text is of the scripts that comments are written in, alphabets before Chinese.

    Swapped, the letters of an alphabet are mostly Chinese characters, those mostly nothing.
    """
    letters = [c for c in text[:2000] if c != "\0"]
    alphabets = sum(c <= "\u04ff" or "\u3000" <= c <= "\u30ff" for c in letters)
    return 3 * alphabets + 2 * sum(
        "\u4e00" <= c <= "\u9fff" or "\uac00" <= c <= "\ud7af" for c in letters
    )


def _text_in_binary(value: bytes, order: Order) -> str:
    """A field of any content where it is text; cameras write structures there."""
    text = comment_text(value, order).strip("\0")
    shown = sum(c.isprintable() or c.isspace() for c in text[:2000])
    return text if shown >= _PRINTABLE_SHARE * min(len(text), 2000) else ""


def _utf8_or_latin1(value: bytes) -> str:
    return _first_that_fits(value.rstrip(b"\0"), ("utf-8", "latin-1"))


def _first_that_fits(value: bytes, encodings: tuple[str, ...]) -> str:
    for encoding in encodings:
        try:
            return value.decode(encoding)
        except UnicodeDecodeError:
            continue
    return value.decode("latin-1")
