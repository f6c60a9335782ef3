"""One rule for damage: whole pixels are decoded whatever else is missing, others refused."""

import io
import re
import struct
import zlib
from itertools import pairwise

import numpy as np
import pytest
from PIL import Image

from input_pipeline.images.problems import UnreadableImageError
from input_pipeline.images.transforms import decode


def photograph(height=120, width=160):
    """A picture with noise, so that its files have many bytes everywhere."""
    y, x = np.mgrid[:height, :width]
    planes = (x + y, 128 + 90 * np.sin(x / 5) * np.cos(y / 7), (x * y) % 97 + y)
    noise = np.random.default_rng(0).normal(0, 9, (height, width, 3))
    return (np.stack(planes, -1) + noise).clip(20, 255).astype(np.uint8)


def file_of(kind, **options):
    buffer = io.BytesIO()
    Image.fromarray(photograph()).save(buffer, kind, **options)
    return buffer.getvalue()


def chunk(name, data):
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(parts, colour_type=2, before=b""):
    """The photograph as a PNG with its compressed rows in so many chunks."""
    pixels = photograph()
    rows = zlib.compress(b"".join(b"\0" + row.tobytes() for row in pixels))
    head = struct.pack(">IIBBBBB", pixels.shape[1], pixels.shape[0], 8, colour_type, 0, 0, 0)
    cuts = np.linspace(0, len(rows), parts + 1).astype(int)
    data = b"".join(chunk(b"IDAT", rows[a:b]) for a, b in pairwise(cuts))
    start = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head)
    return start + before + data + chunk(b"IEND", b"")


def refusal(data):
    """The sentence with which a file is refused; empty where it is decoded."""
    try:
        decode(data)
    except UnreadableImageError as error:
        return str(error)
    return ""


def missing(data):
    """The percentage of the pixels that the refusal names; 0 where it names none."""
    words = refusal(data)
    return float(words.split("%")[0].split()[-1]) if "%" in words else 0.0


def is_called_damaged(data):
    return re.search("missing|corrupt", refusal(data)) is not None


JPEGS = ({}, {"progressive": True}, {"restart_marker_blocks": 5}, {"subsampling": "4:4:4"})


@pytest.mark.parametrize("options", JPEGS)
@pytest.mark.parametrize("lost", [1, 2])
def test_a_jpeg_that_lacks_only_its_end_mark_is_decoded(options, lost):
    data = file_of("JPEG", quality=85, **options)
    np.testing.assert_array_equal(decode(data[:-lost]), decode(data))


def test_a_cmyk_jpeg_follows_the_same_rule():
    buffer = io.BytesIO()
    Image.fromarray(photograph()).convert("CMYK").save(buffer, "JPEG", quality=85)
    data = buffer.getvalue()
    np.testing.assert_array_equal(decode(data[:-2]), decode(data))
    assert 40 < missing(data[: len(data) // 2] + b"\xff\xd9") < 60


@pytest.mark.parametrize("end", [b"", b"\xff\xd9"])
@pytest.mark.parametrize("options", [JPEGS[0], JPEGS[2], JPEGS[3]])
def test_half_a_jpeg_is_refused_with_or_without_an_end_mark(options, end):
    data = file_of("JPEG", quality=85, **options)
    assert 35 < missing(data[: len(data) // 2] + end) < 65


@pytest.mark.parametrize("end", [b"", b"\xff\xd9"])
def test_half_a_progressive_jpeg_is_refused(end):
    data = file_of("JPEG", quality=85, progressive=True)
    assert 5 < missing(data[: len(data) // 2] + end) < 50
    scans = [at for at in range(len(data)) if data[at : at + 2] == b"\xff\xda"]
    tables = data.rindex(b"\xff\xc4", 0, scans[5])
    # Whole scans, and an end mark: the decoder has nothing to remark.
    assert 5 < missing(data[:tables] + b"\xff\xd9") < 50
    # Of the last of ten scans, which refines one component, a few bytes.
    assert 0 < missing(data[:-40] + end) < 5


@pytest.mark.parametrize("extension", ["jp2", "j2k"])
def test_jpeg_2000(extension):
    data = file_of("JPEG2000", irreversible=False, no_jp2=extension == "j2k")
    np.testing.assert_array_equal(decode(data), photograph())
    for lost in (1, 2):  # of the end mark
        np.testing.assert_array_equal(decode(data[:-lost]), photograph())
    assert 45 < missing(data[: len(data) // 2]) < 55
    assert 0 < missing(data[:-20]) < 1


def test_a_jpeg_2000_that_lacks_tiles_is_refused():
    data = bytearray(file_of("JPEG2000", irreversible=False, tile_size=(40, 40)))
    np.testing.assert_array_equal(decode(bytes(data)), photograph())
    for name, first in ((b"ihdr", 4), (b"\xff\x51", 10)):  # twice as high, the tiles of one half
        place = data.index(name) + first
        order = ">I"
        size = struct.unpack_from(order, data, place)[0]
        struct.pack_into(order, data, place, 2 * size)
    assert missing(bytes(data)) == 50


def test_corrupt_middles_of_jpegs_are_refused():
    for options in JPEGS:
        data = bytearray(file_of("JPEG", quality=85, **options))
        middle = len(data) // 2
        data[middle : middle + 200] = bytes(200)
        assert is_called_damaged(bytes(data))
        data = file_of("JPEG", quality=85, **options)
        assert is_called_damaged(data[:middle] + data[middle + 100 :])
        assert is_called_damaged(data[:middle] + bytes(len(data) - middle))


def test_padding_before_the_end_mark_and_bytes_after_it_do_not_matter():
    data = file_of("JPEG", quality=85)
    expected = decode(data)
    for other in (data[:-2] + bytes(9) + data[-2:], data + bytes(500), data + data):
        np.testing.assert_array_equal(decode(other), expected)


@pytest.mark.parametrize("parts", [1, 5])
def test_a_png_without_its_end_is_decoded_and_one_cut_short_is_not(parts):
    data = png(parts)
    np.testing.assert_array_equal(decode(data), photograph())
    for lost in (12, 14, 17):  # the end chunk; a part of the checksum; one of the stream's
        np.testing.assert_array_equal(decode(data[:-lost]), photograph())
    assert 45 < missing(data[: len(data) // 2]) < 55
    assert 15 < missing(data[: int(0.8 * len(data))]) < 25


def test_corrupt_and_zeroed_parts_of_a_png_are_refused():
    data = png(10)
    half = len(data) // 2
    assert 45 < missing(data[:half] + bytes(len(data) - half)) < 60
    changed = bytearray(data)
    changed[half] ^= 0x55
    missing(bytes(changed))  # or corrupt, where the rows go on to the end


def test_a_wrong_checksum_of_a_chunk_is_no_damage_where_the_pixels_have_their_own():
    data = bytearray(png(3))
    end = data.index(b"IEND") - 8
    data[end : end + 4] = b"\0\0\0\0"
    np.testing.assert_array_equal(decode(bytes(data)), photograph())


def test_a_png_is_not_said_to_lack_the_rows_before_its_damage():
    data = png(1)
    start, end = data.index(b"IDAT") + 4, data.index(b"IEND") - 8
    for part in (0.3, 0.6, 0.9):
        place = start + int(part * (end - start))
        zeroed = data[:place] + bytes(400) + data[place + 400 :]
        assert missing(zeroed) <= 100 * (1 - part) + 5
    flipped = bytearray(data)
    flipped[end - 1] ^= 1  # in the checksum of the stream: every row is there
    with pytest.raises(UnreadableImageError, match="some of its pixels are corrupt"):
        decode(bytes(flipped))


def claiming(kind, width, height):
    """A small file whose header claims so many pixels."""
    buffer = io.BytesIO()
    Image.new("RGB", (16, 16)).save(buffer, kind.split()[0], progressive="progressive" in kind)
    data = bytearray(buffer.getvalue())
    if kind == "PNG":
        data[16:24] = struct.pack(">II", width, height)
        data[29:33] = struct.pack(">I", zlib.crc32(data[12:29]))
    elif kind == "BMP":
        data[18:26] = struct.pack("<ii", width, height)
    elif kind == "TGA":
        data[12:16] = struct.pack("<HH", width, height)
    elif kind == "PPM":
        data = data.replace(b"16 16", b"%d %d" % (width, height))
    else:
        frame = max(data.find(b"\xff\xc0"), data.find(b"\xff\xc2"))
        data[frame + 5 : frame + 9] = struct.pack(">HH", height, width)
    return bytes(data)


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TGA", "PPM", "JPEG", "JPEG progressive"])
def test_a_small_file_that_claims_200_megapixels_is_refused_undecoded(kind):
    with pytest.raises(UnreadableImageError, match=r"9\.\d% .*too few for 20000 x 10001 pixels"):
        decode(claiming(kind, 20_000, 10_001))


def test_a_tiff_larger_than_pillow_reads_is_told_how_large_that_is():
    data = bytearray(file_of("TIFF"))
    directory = struct.unpack_from("<I", data, 4)[0]
    for entry in range(directory + 2, directory + 2 + 12 * data[directory], 12):
        if struct.unpack_from("<H", data, entry)[0] in (256, 257):  # width and height
            struct.pack_into("<HII", data, entry + 2, 4, 1, 14_000)
    with pytest.raises(UnreadableImageError, match=r"at most 178 megapixels; save it as PNG"):
        decode(bytes(data))


@pytest.mark.parametrize("mode", ["1", "L", "RGB"])
@pytest.mark.parametrize("kind", ["PNG", "BMP", "JPEG", "JPEG progressive"])
def test_no_picture_is_too_blank_for_its_file(kind, mode):
    buffer = io.BytesIO()
    options = {"progressive": "progressive" in kind, "quality": 1, "optimize": True}
    Image.new(mode, (2500, 2000)).save(buffer, kind.split()[0], **options)
    assert decode(buffer.getvalue()).max() <= 1  # JPEG's black


@pytest.mark.parametrize("kind", [b"iCCP", b"zTXt", b"iTXt"])
def test_metadata_of_any_size_do_not_stop_a_png(kind):
    text = np.random.default_rng(1).bytes(3_000_000)
    large = zlib.compress(text, 1)
    starts = {b"iCCP": b"p\0\0", b"zTXt": b"p\0\0", b"iTXt": b"XML:com.adobe.xmp\0\1\0\0\0"}
    data = png(2, before=chunk(kind, starts[kind] + large))
    np.testing.assert_array_equal(decode(data), photograph())


WEBPS = ({"quality": 80}, {"lossless": True}, {"exif": b"Exif\0\0" + bytes(9000)})


@pytest.mark.parametrize("options", WEBPS)
def test_webp(options):
    data = file_of("WEBP", **options)
    expected = np.asarray(Image.open(io.BytesIO(data)))
    np.testing.assert_array_equal(decode(data), expected)
    pixels = data.index(b"EXIF") if b"EXIF" in data else len(data)
    half = pixels // 2
    assert 40 < missing(data[:half]) < 60
    assert 40 < missing(data[:half] + bytes(len(data) - half)) < 60
    assert missing(data[: pixels - 20]) > 0
    if pixels < len(data):  # nothing but metadata is lost
        np.testing.assert_array_equal(decode(data[: pixels + 20]), expected)


STORED = [("BMP", {}), ("TIFF", {}), ("PPM", {}), ("TGA", {}), ("GIF", {})]


@pytest.mark.parametrize(("kind", "options"), STORED)
def test_files_cut_short_and_zeroed_tails(kind, options):
    data = file_of(kind, **options)
    half = len(data) // 2
    assert 40 < missing(data[:half]) < 60
    assert 40 < missing(data[:half] + bytes(len(data) - half)) < 60


@pytest.mark.parametrize("compression", ["tiff_lzw", "tiff_adobe_deflate"])
def test_corrupt_middles_of_compressed_tiffs_are_refused(compression):
    data = file_of("TIFF", compression=compression)
    np.testing.assert_array_equal(decode(data), photograph())
    middle = len(data) // 2
    assert is_called_damaged(data[:middle] + bytes(50) + data[middle + 50 :])
    if compression != "tiff_lzw":  # which has no checksum
        assert is_called_damaged(data[:middle] + bytes([data[middle] ^ 0x55]) + data[middle + 1 :])


@pytest.mark.parametrize("compression", ["tiff_adobe_deflate", "jpeg"])
def test_zeros_and_noise_in_compressed_tiffs_are_refused(compression):
    data = file_of("TIFF", compression=compression)
    decode(data)
    middle, length = len(data) // 2, len(data) // 5
    noise = np.random.default_rng(0).bytes(length)
    for put_in in (bytes(length), noise):
        assert is_called_damaged(data[:middle] + put_in + data[middle + length :])


@pytest.mark.parametrize("compression", ["tiff_lzw", "tiff_adobe_deflate", "jpeg", "packbits"])
def test_a_compressed_tiff_cut_short_is_called_damaged(compression):
    """Its directory stands at the end: without it Pillow takes the file for another kind."""
    data = file_of("TIFF", compression=compression)
    half = len(data) // 2
    cut = [data[:half], data[:-20], data[:half] + bytes(half), data[:half] + b"\xff" * half]
    for damaged in cut:
        with pytest.raises(UnreadableImageError, match=r"damaged image: .*missing"):
            decode(damaged)


@pytest.mark.parametrize("kind", ["BMP", "TIFF", "PPM"])
def test_black_parts_of_a_picture_are_no_damage(kind):
    pixels = photograph()
    pixels[90:] = 0
    bars = pixels.copy()
    bars[:30] = 0
    drawn = np.zeros_like(pixels)
    drawn[20:60, 30:70] = 200
    for image in (pixels, bars, drawn, np.zeros_like(pixels)):
        buffer = io.BytesIO()
        Image.fromarray(image).save(buffer, kind)
        np.testing.assert_array_equal(decode(buffer.getvalue()), image)
