"""Encoders by their tables, and how sure a quality is."""

import io

import numpy as np
import pytest
from PIL import Image

from input_pipeline.images.jpeg_tables import EXACT, NEAR, UNLIKE, nearest_quality, read_tables
from input_pipeline.images.metadata import read_facts

PICTURE = Image.fromarray(np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8))
# Luminance tables as other encoders wrote them at quality 75: MozJPEG 4, jpegli by pyjpegli 0.3.2.
MOZJPEG_75 = [
    8, 8, 8, 9, 13, 19, 28, 43, 8, 9, 10, 14, 17, 20, 27, 38,
    8, 10, 12, 16, 22, 31, 46, 68, 9, 14, 16, 20, 27, 37, 53, 78,
    13, 17, 22, 27, 35, 47, 66, 95, 19, 20, 31, 37, 47, 62, 85, 119,
    28, 27, 46, 53, 66, 85, 113, 156, 43, 38, 68, 78, 95, 119, 156, 209,
]  # fmt: skip
JPEGLI_75 = [
    6, 7, 13, 12, 17, 17, 19, 19, 7, 9, 12, 13, 17, 16, 20, 20,
    13, 12, 14, 16, 18, 19, 19, 21, 12, 13, 16, 17, 21, 23, 23, 23,
    17, 17, 18, 21, 23, 25, 28, 27, 17, 16, 19, 23, 25, 27, 25, 30,
    19, 20, 19, 23, 28, 25, 27, 27, 19, 20, 21, 23, 27, 30, 27, 22,
]  # fmt: skip

# Photoshop's image resource of its JPEG setting, 7 bytes of content to follow and one to fill up.
RESOURCE = b"Photoshop 3.0\0" + b"8BIM\x04\x06\0\0\0\0\0\x07"


def saved(**settings):
    buffer = io.BytesIO()
    PICTURE.save(buffer, "JPEG", **settings)
    return buffer.getvalue()


@pytest.mark.parametrize("quality", [1, 30, 50, 75, 90, 100])
def test_libjpegs_own_tables_are_exact(quality):
    facts = read_facts(saved(quality=quality))
    assert (facts.quality, facts.certainty) == (quality, EXACT)
    assert (facts.encoder, facts.setting) == ("libjpeg", f"quality {quality}")


@pytest.mark.parametrize("preset", ["web_low", "web_high", "low", "medium", "high", "maximum"])
def test_photoshops_presets_are_not_a_quality(preset):
    facts = read_facts(saved(quality=preset))
    assert (facts.encoder, facts.certainty) == ("Photoshop", UNLIKE)
    assert preset.removeprefix("web_") in facts.setting or preset == "maximum"
    low, high = (read_facts(saved(quality=name)).setting for name in ("low", "high"))
    assert (low, high) == ("low", "high"), "once the same quality for both"


@pytest.mark.parametrize(("table", "encoder"), [(MOZJPEG_75, "MozJPEG"), (JPEGLI_75, "jpegli")])
def test_other_encoders_are_named_by_their_tables(table, encoder):
    facts = read_facts(saved(qtables=[table, table]))
    assert (facts.encoder, facts.certainty) == (encoder, UNLIKE)
    assert facts.setting.startswith("quality 75")
    assert facts.steps == tuple(table)


def test_a_table_with_some_entries_changed_is_near():
    table = np.array(read_facts(saved(quality=80)).steps)
    table[40] += 3
    assert nearest_quality(table) == (80, NEAR)
    assert read_tables([table.tolist()]).encoder == ""


def test_a_table_of_another_shape_is_unlike_any():
    assert nearest_quality(np.full(64, 12))[1] == UNLIKE
    assert nearest_quality(np.arange(1, 65)[::-1])[1] == UNLIKE


@pytest.mark.parametrize(
    ("comment", "with_libjpegs_table", "with_another"),
    [
        (b"CREATOR: gd-jpeg v1.0 (using IJG JPEG v62), quality = 90\n", "GD", ""),
        (b"Lavc58.134.100", "libjpeg", "FFmpeg"),
        (b"AppleMark\n", "libjpeg", "Apple"),
        (b"a day at the sea", "libjpeg", ""),
    ],
)
def test_a_comment_counts_beside_tables_that_its_writer_has(
    comment, with_libjpegs_table, with_another
):
    assert read_facts(saved(quality=90, comment=comment)).encoder == with_libjpegs_table
    table = list(range(1, 65))
    assert read_facts(saved(qtables=[table], comment=comment)).encoder == with_another


def with_segment(data, marker, body):
    length = (len(body) + 2).to_bytes(2, "big")
    return data[:2] + bytes([0xFF, marker]) + length + body + data[2:]


@pytest.mark.parametrize(
    ("marker", "body", "setting"),
    [
        (0xED, RESOURCE + b"\0\x08\0\0\0\1\0\0", "quality 12 of 12"),
        (0xED, RESOURCE + b"\xff\xfd\0\0\0\1\0\0", "quality 1 of 12"),
        (0xEC, b"Ducky\0\1\0\4\0\0\0\x3c\0\0", "Save for Web, quality 60"),
    ],
)
def test_photoshops_own_fields_count_beside_a_table_of_nobody_else(marker, body, setting):
    unknown = with_segment(saved(qtables=[list(range(1, 65))]), marker, body)
    assert read_facts(unknown).encoder == "Photoshop"
    assert read_facts(unknown).setting == setting
    saved_again = with_segment(saved(quality=90), marker, body)
    assert read_facts(saved_again).encoder == "libjpeg", "they outlived the next encoder"


def test_other_formats_have_no_table():
    buffer = io.BytesIO()
    PICTURE.save(buffer, "PNG")
    facts = read_facts(buffer.getvalue())
    assert (facts.encoder, facts.certainty, facts.steps) == ("", "", ())
