"""HEIF, AVIF and JPEG XL: decoded in a process that may die."""

import io
import os
import signal
import subprocess

import numpy as np
import pytest
from PIL import Image, features

from input_pipeline.images import isolated
from input_pipeline.images.iso_boxes import read_jpeg_xl
from input_pipeline.images.problems import TooManyPixelsError, UnreadableImageError
from input_pipeline.images.transforms import decode, size_of

pillow_heif = pytest.importorskip("pillow_heif")
pytest.importorskip("pillow_jxl")
pillow_heif.register_heif_opener()

KINDS = ["HEIF", "AVIF", "JXL"]
pytestmark = pytest.mark.skipif(not features.check("avif"), reason="Pillow without AVIF")


def photograph(height=96, width=128):
    """Smooth, not symmetric, and different in every corner."""
    y, x = np.mgrid[:height, :width]
    planes = (x * 1.5 + 20, y * 2.0 + 10, 128 + 60 * np.sin(x / 17) * np.cos(y / 13))
    return np.stack(planes, -1).clip(0, 255).astype(np.uint8)


def file_of(kind, pixels=None, **options):
    image = Image.fromarray(photograph() if pixels is None else pixels)
    if kind == "HEIF":
        options = {"quality": -1, "chroma": 444, "matrix_coefficients": 0} | options
    elif kind == "AVIF":
        options = {"quality": 100, "subsampling": "4:4:4"} | options
    else:
        options = {"lossless": True} | options
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


@pytest.mark.parametrize("kind", KINDS)
def test_pixels_and_sizes(kind):
    data = file_of(kind)
    assert size_of(data) == (96, 128)
    np.testing.assert_allclose(decode(data).astype(int), photograph(), rtol=0, atol=3)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("orientation", [1, 2, 3, 4, 5, 6, 7, 8])
def test_pixels_are_taken_as_stored(kind, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = file_of(kind, exif=exif.tobytes())
    described = isolated.describe_isolated(data, 10**6)
    assert (described["height"], described["width"]) == (96, 128)
    if kind != "JXL":  # its encoder here does not turn pictures
        assert described["orientation"] == orientation
    np.testing.assert_allclose(decode(data).astype(int), photograph(), rtol=0, atol=3)


@pytest.mark.parametrize("kind", ["HEIF", "AVIF"])
def test_of_sequences_the_primary_picture_counts(kind):
    others = [Image.fromarray(np.full((96, 128, 3), level, np.uint8)) for level in (5, 250)]
    data = file_of(kind, save_all=True, append_images=others)
    assert isolated.describe_isolated(data, 10**6)["pictures"] == 3
    np.testing.assert_allclose(decode(data).astype(int), photograph(), rtol=0, atol=3)


@pytest.mark.parametrize("kind", KINDS)
def test_transparent_pixels_are_laid_on_grey(kind):
    alpha = np.full((96, 128), 255, np.uint8)
    alpha[32:64] = 0
    decoded = decode(file_of(kind, np.dstack([photograph(), alpha]))).astype(int)
    np.testing.assert_allclose(decoded[36:60], 128, rtol=0, atol=3)
    np.testing.assert_allclose(decoded[70:], photograph()[70:], rtol=0, atol=3)


@pytest.mark.parametrize("kind", KINDS)
def test_content_decides_and_damage_is_refused(kind):
    data = file_of(kind, np.random.default_rng(0).integers(0, 256, (96, 128, 3), np.uint8))
    for broken in (data[: len(data) // 2], data[: len(data) // 2] + bytes(len(data) // 2)):
        with pytest.raises(UnreadableImageError, match="damaged image"):
            decode(broken)
        with pytest.raises(UnreadableImageError, match=r"missing|corrupt|decod|data"):
            decode(broken)
    if kind != "JXL":
        with pytest.raises(UnreadableImageError, match=r"[45]\d\.\d% of its compressed pixels"):
            decode(data[: len(data) // 2])


@pytest.mark.parametrize("kind", KINDS)
def test_the_size_is_checked_before_any_pixel_is_decoded(kind):
    with pytest.raises(TooManyPixelsError, match="too large: 128 x 96 is more than 9000 pixels"):
        decode(file_of(kind), max_pixels=9000)


def test_a_huge_size_in_a_header_costs_nothing():
    data = bytearray(file_of("HEIF"))
    at = data.index(b"ispe") + 8
    data[at : at + 8] = (60_000).to_bytes(4, "big") * 2
    with pytest.raises(UnreadableImageError):
        decode(bytes(data))


def test_the_header_of_jpeg_xl():
    for height, width in [
        (96, 128),
        (97, 128),
        (8, 8),
        (300, 200),
        (1, 700),
        (512, 512),
        (90, 160),
    ]:
        pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
        assert read_jpeg_xl(file_of("JXL", pixels)) == (width, height, 1)
    with pytest.raises(UnreadableImageError, match="without its header"):
        read_jpeg_xl(b"\xff\x0a")


@pytest.fixture
def started(monkeypatch):
    """The decoding processes; none has been started yet."""
    processes = []

    class Watched(subprocess.Popen):
        def __init__(self, *args, **options):
            super().__init__(*args, **options)
            processes.append(self)

    monkeypatch.setattr(subprocess, "Popen", Watched)
    isolated._idle.cache_clear()
    return processes


def test_a_decoder_that_dies_costs_one_file_only(started):
    data = file_of("AVIF")
    expected = decode(data)
    os.kill(started[0].pid, signal.SIGKILL)
    started[0].wait()
    with pytest.raises(UnreadableImageError, match="its decoder crashed"):
        decode(data)
    np.testing.assert_array_equal(decode(data), expected)
    assert len(started) == 2


def test_a_decoder_that_takes_too_long_is_ended(started, monkeypatch):
    data = file_of("AVIF")
    expected = decode(data)
    os.kill(started[0].pid, signal.SIGSTOP)  # it takes for ever
    with monkeypatch.context() as patch:
        patch.setattr(isolated, "SECONDS", 0.1)
        with pytest.raises(UnreadableImageError, match="its decoder crashed"):
            decode(data)
    assert started[0].wait() == -signal.SIGKILL
    np.testing.assert_array_equal(decode(data), expected)


def test_without_the_plugin_the_error_says_what_to_install(monkeypatch, tmp_path):
    for name in ("pillow_heif", "pillow_jxl"):
        (tmp_path / f"{name}.py").write_text("raise ImportError\n")
    monkeypatch.setattr(isolated, "_ROOT", f"{isolated._ROOT}{os.pathsep}{tmp_path}")
    isolated._idle.cache_clear()
    for kind, name in (("HEIF", "pillow-heif"), ("JXL", "pillow-jxl-plugin")):
        with pytest.raises(UnreadableImageError, match=rf"read by {name}: pip install"):
            decode(file_of(kind))
    isolated._idle.cache_clear()
