"""Samples of more than 8 bits are scaled by their own range, or refused: never black by mistake."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from input_pipeline.images.problems import UnreadableImageError
from input_pipeline.images.transforms import decode

GREY, RGB, GREY_ALPHA, RGB_ALPHA = 0, 2, 4, 6
SAMPLES = {GREY: 1, RGB: 3, GREY_ALPHA: 2, RGB_ALPHA: 4}


def values(depth, samples, dtype=np.uint16):
    """Random ones over the whole range of so many bits, [24, 30, samples]; alpha is the most."""
    most = (1 << depth) - 1
    drawn = np.random.default_rng(depth).integers(0, most + 1, (24, 30, samples)).astype(dtype)
    drawn[0, 0] = most
    if samples in (2, 4):
        drawn[..., -1] = most
    return drawn


def png(samples, kind, interlace=0):
    """A PNG of 16 bits per sample."""
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in samples)
    head = struct.pack(">IIBBBBB", samples.shape[1], samples.shape[0], 16, kind, 0, 0, interlace)
    chunks = ((b"IHDR", head), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in chunks
    )


def tiff(samples, order="<", compressed=False):
    """A TIFF of these samples, their type included; TIFF 6.0, one strip."""
    height, width, count = samples.shape
    raw = samples.astype(samples.dtype.newbyteorder(order)).tobytes()
    raw = zlib.compress(raw) if compressed else raw
    bits, kind = samples.dtype.itemsize * 8, {"u": 1, "i": 2, "f": 3}[samples.dtype.kind]
    fields = [
        (256, [width]),
        (257, [height]),
        (258, [bits] * count),
        (259, [8 if compressed else 1]),
        (262, [2 if count > 2 else 1]),
        (273, [8]),
        (277, [count]),
        (278, [height]),
        (279, [len(raw)]),
        (339, [kind] * count),
        *([(338, [2])] if count in (2, 4) else []),
    ]
    directory = 8 + len(raw) + len(raw) % 2
    outside = directory + 2 + 12 * len(fields) + 4
    entries, extra = b"", b""
    for tag, numbers in sorted(fields):
        packed = struct.pack(f"{order}{len(numbers)}I", *numbers)
        where = packed
        if len(numbers) > 1:
            where = struct.pack(f"{order}I", outside + len(extra))
            extra += packed
        entries += struct.pack(f"{order}HHI", tag, 4, len(numbers)) + where
    start = b"II*\0" if order == "<" else b"MM\0*"
    start += struct.pack(f"{order}I", directory)
    table = struct.pack(f"{order}H", len(fields)) + entries + bytes(4) + extra
    return start + raw + bytes(len(raw) % 2) + table


@pytest.mark.parametrize("depth", [8, 10, 12, 14, 16])
@pytest.mark.parametrize("kind", SAMPLES)
def test_pngs_of_16_bits_hold_fewer(kind, depth):
    samples = values(depth, SAMPLES[kind])
    expected = samples[..., :1] if kind in (GREY, GREY_ALPHA) else samples[..., :3]
    expected = np.broadcast_to(expected >> (depth - 8), (24, 30, 3))
    np.testing.assert_array_equal(decode(png(samples, kind)), expected)


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("depth", [10, 12, 16])
def test_tiffs_of_16_bits_hold_fewer(depth, count, order, compressed):
    samples = values(depth, count)
    expected = np.broadcast_to(samples >> (depth - 8), (24, 30, 3))
    np.testing.assert_array_equal(decode(tiff(samples, order, compressed)), expected)


def test_alpha_of_16_bits_lays_the_picture_on_grey():
    samples = values(12, 4)
    samples[:10, :, 3] = 0
    decoded = decode(png(samples, RGB_ALPHA))
    assert (decoded[:10] == 128).all()
    np.testing.assert_array_equal(decoded[10:], samples[10:, :, :3] >> 4)


@pytest.mark.parametrize("depth", [8, 10, 12, 16])
def test_32_bit_integers_are_scaled_as_16(depth):
    samples = values(depth, 1, np.int32)
    expected = np.broadcast_to(samples >> (depth - 8), (24, 30, 3))
    np.testing.assert_array_equal(decode(tiff(samples)), expected)


@pytest.mark.parametrize("white", [1.0, 255.0, 65535.0])
def test_floats_are_parts_of_white_or_levels(white):
    levels = np.random.default_rng(0).integers(0, 256, (24, 30, 1))
    levels[0, 0] = 255
    samples = (levels / 255 * white).astype(np.float32)
    np.testing.assert_array_equal(decode(tiff(samples)), np.broadcast_to(levels, (24, 30, 3)))


UNCLEAR = {
    "negative integers": np.array([-5, 300], np.int32),
    "negative 16-bit integers": np.array([-5, 300], np.int16),
    "more than 16 bits": np.array([0, 100_000], np.int32),
    "high dynamic range": np.array([0, 5.2], np.float32),
    "negative floats": np.array([-1, 1], np.float32),
    "not a number": np.array([np.nan, 1], np.float32),
    "infinite": np.array([np.inf, 1], np.float32),
}


@pytest.mark.parametrize("name", UNCLEAR)
def test_what_has_no_clear_range_is_refused(name):
    samples = np.resize(UNCLEAR[name], (24, 30, 1))
    with pytest.raises(UnreadableImageError, match="does not tell which is white"):
        decode(tiff(samples))


def test_other_kinds_of_tiff_are_refused_with_a_reason():
    for samples in (np.ones((24, 30, 3), np.float32), np.ones((24, 30, 1), np.float16)):
        with pytest.raises(UnreadableImageError, match=r"TIFF.* kind of samples"):
            decode(tiff(samples))


def test_graymaps_of_12_bits_are_scaled_by_their_own_maximum():
    samples = values(12, 1)
    pgm = b"P5 30 24 4095\n" + samples.astype(">u2").tobytes()
    np.testing.assert_allclose(
        decode(pgm), np.broadcast_to(samples / 4095 * 255, (24, 30, 3)), rtol=0, atol=1
    )


def test_a_black_picture_stays_black():
    for samples in (np.zeros((24, 30, 1), np.uint16), np.zeros((24, 30, 1), np.float32)):
        assert not decode(tiff(samples)).any()
    assert not decode(png(np.zeros((24, 30, 3), np.uint16), RGB)).any()


def test_pictures_of_8_bits_are_left_alone():
    dark = np.random.default_rng(0).integers(0, 9, (24, 30, 3)).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(dark).save(buffer, "PNG")
    np.testing.assert_array_equal(decode(buffer.getvalue()), dark)


def negative(data):
    """The TIFF with zero as white (PhotometricInterpretation)."""
    entry = struct.pack("<HHII", 262, 4, 1, 1)
    assert entry in data
    return data.replace(entry, struct.pack("<HHII", 262, 4, 1, 0))


@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
def test_where_zero_is_white_the_picture_is_no_negative(dtype):
    data = tiff(
        values(16, 1, np.uint16) if dtype == np.uint16 else values(8, 1, dtype) / dtype(255)
    )
    np.testing.assert_array_equal(decode(negative(data)), 255 - decode(data))


def test_signed_samples_of_8_bits_are_refused():
    with pytest.raises(UnreadableImageError, match="signed"):
        decode(tiff(values(7, 1, np.int8)))


def test_floats_that_would_all_be_black_are_refused():
    with pytest.raises(UnreadableImageError, match="which is white"):
        decode(tiff(values(8, 1, np.float32) / np.float32(255 * 500)))


def test_a_drawing_of_one_bit_may_end_in_black():
    drawing = np.full((40, 60), 255, np.uint8)
    drawing[30, 40:] = drawing[31:] = 0
    buffer = io.BytesIO()
    Image.fromarray(drawing).convert("1").save(buffer, "TIFF")
    np.testing.assert_array_equal(decode(buffer.getvalue())[..., 0], drawing)
