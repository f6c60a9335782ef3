"""IPTC's information interchange model, in the resources that Photoshop keeps in APP13."""

import struct
from collections.abc import Iterator

IIM_RESOURCE = 0x0404
# IPTC-NAA IIM version 4.2, records 2:xx; what may say where a picture comes from.
_NAMES = {5: "ObjectName", 40: "SpecialInstructions", 65: "Program", 80: "Byline", 110: "Credit",
          115: "Source", 116: "Copyright", 120: "Caption"}  # fmt: skip


def photoshop_resources(body: bytes) -> Iterator[tuple[int, bytes]]:
    """Number and content of Photoshop's image resources, of all segments joined."""
    place = body.find(b"8BIM")
    while 0 <= place <= len(body) - 12 and body[place : place + 4] == b"8BIM":
        number = struct.unpack_from(">H", body, place + 4)[0]
        name = 1 + body[place + 6]
        place += 6 + name + name % 2
        if place + 4 > len(body):
            return
        length = struct.unpack_from(">I", body, place)[0]
        yield number, body[place + 4 : place + 4 + length]
        place += 4 + length + length % 2


def iim_texts(record: bytes) -> Iterator[tuple[str, str]]:
    """Name and text of the data sets that may say where a picture comes from."""
    place = record.find(b"\x1c\x02")
    while 0 <= place <= len(record) - 5 and record[place] == 0x1C:
        kind, number, length = struct.unpack_from(">BBH", record, place + 1)
        value = record[place + 5 : place + 5 + length]
        if kind == 2 and number in _NAMES:
            try:
                yield _NAMES[number], value.decode("utf-8")
            except UnicodeDecodeError:
                yield _NAMES[number], value.decode("latin-1")
        place += 5 + length
