"""Metadata made to take hours are left, and what stands before is read."""

import struct

from input_pipeline.provenance.exif import exif_fields, exif_texts
from input_pipeline.provenance.xmp import xmp_properties


def test_elements_deep_within_each_other_end_the_reading():
    deep = b"<a>x" * 250_000 + b"</a>" * 250_000
    packet = b'<x:xmpmeta><d CreatorTool="Some Program"/>' + deep + b"</x:xmpmeta>"
    assert xmp_properties(packet) == [("CreatorTool", "Some Program")]


def test_elements_as_deep_as_programs_write_them_are_read():
    deep = b"<a>" * 40 + b"x" + b"</a>" * 40
    assert xmp_properties(b"<x:xmpmeta>" + deep + b"</x:xmpmeta>") == [("a", "x")]


def directory(entries, following):
    """A TIFF directory of fields that all claim the whole block, which leads to another one."""
    fields = struct.pack("<HHII", 0x010E, 2, 2**31, 0) * (entries - 1)
    return struct.pack("<H", entries) + fields + struct.pack("<HHII", 0x8769, 4, 1, following)


def test_fields_that_lie_upon_each_other_end_the_reading():
    size, block = 2 + 12 * 500, b"II*\0\x08\0\0\0"
    for _ in range(150):
        block += directory(500, len(block) + size)
    found = [*exif_fields(block)]
    assert 0 < sum(len(value) for _, value, _ in found) <= 2 * len(block)
    assert len([*exif_texts(block)]) == len(found)


def test_directories_that_lead_to_each_other_without_end_are_left():
    block = b"II*\0\x08\0\0\0"
    for _ in range(1000):
        following = len(block) + 14 + 12
        block += struct.pack("<H", 2) + struct.pack("<HHI4s", 0x010E, 2, 3, b"a\0\0\0")
        block += struct.pack("<HHII", 0x8769, 4, 1, following)
    assert 1 < len([*exif_fields(block)]) < 20
