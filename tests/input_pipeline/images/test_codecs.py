"""The faster decoders give Pillow's pixels, and its verdict on damaged files."""

import io
import struct
import sys
import zlib
from itertools import pairwise

import numpy as np
import pytest
import simplejpeg
from PIL import Image

from input_pipeline.images import codecs, transforms
from input_pipeline.images.essentials import pixels_only
from input_pipeline.images.problems import UnreadableImageError

SIZES = [(1, 1), (7, 1), (1, 9), (16, 16), (33, 47), (64, 90)]
COLOUR_TYPES = {1: 0, 3: 2, 4: 6}


@pytest.fixture
def pillow_only(monkeypatch):
    """Returns a function that decodes as where neither library is installed."""

    def decode(data, **options):
        with monkeypatch.context() as patch:
            patch.setitem(sys.modules, "imagecodecs", None)
            patch.setitem(sys.modules, "simplejpeg", None)
            forget()
            try:
                return transforms.decode(data, **options)
            finally:
                forget()

    def forget():
        codecs._png_decoder.cache_clear()
        codecs._jpeg_decoder.cache_clear()

    return decode


def scene(height, width, samples=3, seed=0):
    y, x = np.mgrid[:height, :width]
    planes = (x * 3 + y, 128 + 90 * np.sin(x / 5) * np.cos(y / 7), (x * y) % 97 + y, x * 7 + y * 3)
    noise = np.random.default_rng(seed).normal(0, 4, (height, width, 4))
    image = (np.stack(planes, -1) + noise).clip(0, 255).astype(np.uint8)
    return image[..., 0] if samples == 1 else image[..., :samples]


def file_of(image, kind, **options):
    buffer = io.BytesIO()
    (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(
        buffer, kind, **options
    )
    return buffer.getvalue()


def chunk(name, data):
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png_of(rows, height, width, samples, pieces=1, interlace=0):
    """A PNG of filtered rows as they are, its data in several chunks, an empty one among them."""
    kind = COLOUR_TYPES[samples]
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, kind, 0, 0, interlace))
    data = zlib.compress(rows)
    cuts = np.linspace(0, len(data), pieces + 1).astype(int)
    parts = [chunk(b"IDAT", data[a:b]) for a, b in pairwise(cuts)]
    parts.insert(1, chunk(b"IDAT", b""))
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(parts) + chunk(b"IEND", b"")


def visible(image):
    """What Pillow reads, transparent pixels on grey."""
    if image.mode != "RGBA":
        return np.asarray(image.convert("RGB"))
    ground = Image.new("RGBA", image.size, (128, 128, 128, 255))
    ground.alpha_composite(image)
    return np.asarray(ground)[..., :3]


def is_fast(data):
    layout = codecs.layout_of(Image.open(io.BytesIO(data)), data)
    return layout is not None and codecs.fast_pixels(layout, data) is not None


def assert_as_pillow(data, *, fast=True):
    expected = visible(Image.open(io.BytesIO(data)))
    assert is_fast(data) == fast
    for _ in range(2):  # the second time its header is known
        found = transforms.decode(memoryview(data))
        assert found.dtype == np.uint8
        # Of half-transparent pixels Pillow's own blending is rounded otherwise.
        np.testing.assert_allclose(found, expected, rtol=0, atol=1 if b"IHDR" in data else 0)
    out = np.empty_like(expected)
    np.testing.assert_array_equal(transforms.decode(data, out=out), found)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("samples", [1, 3, 4])
def test_png_pixels(size, samples):
    if samples == 4 and size == (1, 1):
        pytest.skip("its one pixel may be transparent: nothing to see")
    for level in (0, 1, 9):
        assert_as_pillow(file_of(scene(*size, samples), "PNG", compress_level=level))
    rng = np.random.default_rng(level)
    rows = rng.integers(0, 256, (size[0], 1 + size[1] * samples), np.uint8)
    rows[:, 0] = rng.integers(0, 5, size[0])  # every filter
    for pieces in (1, 2, 7):
        assert_as_pillow(png_of(rows.tobytes(), *size, samples, pieces))


def test_png_with_metadata():
    exif = Image.Exif()
    exif[0x0112] = 6
    profile = b"\0" * 600
    data = file_of(scene(20, 30), "PNG", exif=exif, icc_profile=profile, dpi=(72, 72))
    at = data.index(b"IDAT") - 4
    extra = chunk(b"gAMA", struct.pack(">I", 45455)) + chunk(b"tEXt", b"parameters\0a prompt")
    extra += chunk(b"tEXt", b"parameters\0these are no pixels: IDAT")
    extra += chunk(b"sRGB", b"\0") + chunk(b"caBX", b"content credentials")
    assert_as_pillow(data[:at] + extra + data[at:])
    assert_as_pillow(data + b"bytes after the end")


@pytest.mark.parametrize("kind", ["1", "P", "LA", "I;16"])
def test_other_pngs_go_to_pillow(kind, pillow_only):
    image = Image.fromarray(scene(20, 30))
    image = Image.new("I;16", (30, 20), 4660) if kind == "I;16" else image.convert(kind)
    data = file_of(image, "PNG")
    assert not is_fast(data)
    np.testing.assert_array_equal(transforms.decode(data), pillow_only(data))


def test_pngs_that_are_not_simply_their_rows_go_to_pillow():
    pixels = Image.fromarray(scene(20, 30))
    assert_as_pillow(file_of(pixels, "PNG", transparency=(1, 2, 3)), fast=False)
    frames = [Image.fromarray(scene(20, 30, seed=seed)) for seed in (1, 2)]
    animation = file_of(pixels, "PNG", save_all=True, append_images=frames)
    assert_as_pillow(animation, fast=False)
    data = file_of(pixels, "PNG")
    late = data[:-12] + chunk(b"tEXt", b"parameters\0a prompt") + data[-12:]
    assert_as_pillow(late, fast=False)
    # A 1 x 1 interlaced image has the one row of the first pass.
    assert_as_pillow(png_of(b"\0abc", 1, 1, 3, interlace=1), fast=False)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("subsampling", ["4:4:4", "4:2:2", "4:2:0"])
def test_jpeg_pixels(size, subsampling):
    kinds = [{}, {"progressive": True}, {"optimize": True}, {"restart_marker_blocks": 2}]
    for options in kinds:
        for quality in (5, 75, 100):
            pixels = scene(*size, seed=quality)
            options |= {"quality": quality, "subsampling": subsampling}
            assert_as_pillow(file_of(pixels, "JPEG", **options))


@pytest.mark.parametrize("subsampling", ["440", "411", "gray"])
def test_jpeg_of_rarer_sampling(subsampling):
    for size in SIZES:
        pixels = np.ascontiguousarray(scene(*size))
        data = simplejpeg.encode_jpeg(pixels, 90, colorsubsampling=subsampling)
        assert_as_pillow(data)


def test_jpeg_with_metadata_and_of_other_colours():
    pixels = scene(40, 50)
    exif = Image.Exif()
    exif[0x0112] = 6
    data = file_of(pixels, "JPEG", exif=exif, icc_profile=b"\0" * 9000, comment=b"\xff\xda a scan?")
    assert_as_pillow(data)
    assert_as_pillow(file_of(scene(40, 50, 1), "JPEG", progressive=True))
    assert_as_pillow(file_of(pixels, "JPEG", keep_rgb=True, subsampling="4:4:4"))
    assert_as_pillow(data + b"bytes after the end")
    assert_as_pillow(file_of(Image.fromarray(pixels).convert("CMYK"), "JPEG"), fast=False)
    second = Image.fromarray(pixels[::-1])
    two = file_of(Image.fromarray(pixels), "MPO", save_all=True, append_images=[second])
    assert_as_pillow(two)


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_files_of_one_header_keep_their_own_pixels(kind, monkeypatch):
    # Of PNG, the header ends with the size of the compressed pixels; here that of all files is one.
    options = {"compress_level": 0} if kind == "PNG" else {}
    files = [file_of(scene(24, 40, seed=seed), kind, **options) for seed in range(3)]
    expected = [np.asarray(Image.open(io.BytesIO(data))) for data in files]
    transforms.decode(files[0])

    def open_again(*_, **__):
        raise AssertionError("this header was read before")

    monkeypatch.setattr(transforms, "open_as", open_again)
    monkeypatch.setattr(codecs, "open_as", open_again)
    for data, pixels in zip(files, expected, strict=True):
        np.testing.assert_array_equal(transforms.decode(data), pixels)


def test_result_is_in_the_given_memory_where_it_fits():
    pixels = scene(24, 40)
    batch = np.zeros((2, 24, 40, 3), np.uint8)
    for kind in ("PNG", "JPEG"):
        data = file_of(pixels, kind)
        assert transforms.decode(data, out=batch[1]) is not None
        np.testing.assert_array_equal(batch[1], transforms.decode(data))
        other = np.zeros((24, 41, 3), np.uint8)
        assert transforms.decode(data, out=other).shape == (24, 40, 3)
        assert not batch[0].any()


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_without_the_libraries_pillow_decodes(kind, pillow_only):
    data = file_of(scene(130, 120), kind)
    expected = np.asarray(Image.open(io.BytesIO(data)))
    np.testing.assert_array_equal(pillow_only(data), expected)
    with pytest.raises(UnreadableImageError, match="% of its pixels are missing"):
        pillow_only(data[: len(data) // 2])


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_the_size_is_checked_before_a_library_decodes(kind, monkeypatch):
    data = file_of(scene(48, 64), kind)
    transforms.decode(data)

    def decode_pixels(*_):
        raise AssertionError("decoded")

    monkeypatch.setattr(transforms, "fast_pixels", decode_pixels)
    with pytest.raises(UnreadableImageError, match="too large: 64 x 48 is more than 3000 pixels"):
        transforms.decode(data, max_pixels=3000)


def png_seeds():
    for samples in (1, 3, 4):
        yield file_of(scene(20, 28, samples), "PNG")
        rows = scene(20, 3 * samples * 5).tobytes()[: 20 * (1 + samples * 28)]
        yield png_of(rows, 20, 28, samples, pieces=3)
    yield file_of(scene(12, 16), "PNG", compress_level=0, dpi=(72, 72))


def jpeg_seeds():
    for subsampling in ("4:4:4", "4:2:2", "4:2:0"):
        yield file_of(scene(20, 28), "JPEG", subsampling=subsampling)
        yield file_of(scene(20, 28), "JPEG", subsampling=subsampling, progressive=True)
    yield file_of(scene(20, 28, 1), "JPEG")
    yield file_of(scene(40, 28), "JPEG", restart_marker_blocks=1)


def mutate(data, rng):
    """Cuts, overwrites, inserts and removes bytes, near the ends more often than elsewhere."""
    data = bytearray(data)
    if rng.random() < 0.2:
        del data[rng.integers(2, len(data)) :]
    for _ in range(rng.integers(0, 4)):
        place = rng.integers(0, rng.choice([len(data), min(len(data), 60)]))
        place = len(data) - 1 - place if rng.random() < 0.3 else place
        kind = rng.random()
        if kind < 0.6:
            data[place] = rng.integers(0, 256)
        elif kind < 0.8:
            data[place:place] = rng.bytes(rng.integers(1, 6))
        elif len(data) > 12:
            del data[place : place + rng.integers(1, 6)]
    return data


def repair_checksums(data):
    """Gives every chunk of a PNG the checksum of what it holds now."""
    at = 8
    while at + 12 <= len(data):
        end = at + 8 + int.from_bytes(data[at : at + 4], "big")
        if end + 4 > len(data):
            break
        data[end : end + 4] = struct.pack(">I", zlib.crc32(data[at + 4 : end]))
        at = end + 4


def mutations(kind, count, rng):
    """Damaged files of both kinds; of PNG also with right checksums, and with damaged rows."""
    seeds = list(png_seeds() if kind == "PNG" else jpeg_seeds())
    for _ in range(count):
        seed = seeds[rng.integers(len(seeds))]
        way = rng.random()
        if kind == "PNG" and way < 0.2:
            rows = scene(20, 29 * 3, 1, seed=int(rng.integers(99)))[:, : 1 + 28 * 3].copy()
            rows[:, 0] = rng.integers(0, rng.choice([5, 5, 7]), 20)
            content = rows.tobytes() + rng.bytes(rng.integers(0, 99))
            yield png_of(content[: rng.integers(1500, 1800)], 20, 28, 3, int(rng.integers(1, 9)))
            continue
        data = mutate(seed, rng)
        if kind == "PNG" and way < 0.7:
            repair_checksums(data)
        yield bytes(data)


def verdict(decode, data):
    try:
        return decode(data, max_pixels=10**6)
    except UnreadableImageError as error:
        return str(error)


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_damaged_files_are_judged_alike_by_the_faster_libraries(kind, monkeypatch):
    accepted = fast = 0
    for data in mutations(kind, 800, np.random.default_rng(7)):
        with monkeypatch.context() as patch:
            patch.setattr(transforms, "fast_pixels", lambda *_: None)
            expected = verdict(transforms.decode, data)
        found = verdict(transforms.decode, data)
        if isinstance(expected, str):
            assert found == expected
            continue
        np.testing.assert_array_equal(found, expected)
        accepted += 1
        fast += is_fast(pixels_only(data))
    assert 100 < accepted < 700
    assert fast > 50
