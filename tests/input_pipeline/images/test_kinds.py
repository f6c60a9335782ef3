"""What a file is, its content decides; kinds that are not read are refused with the reason."""

import io
import struct

import numpy as np
import pytest
from PIL import Image, TiffImagePlugin

from input_pipeline.images.metadata import read_facts
from input_pipeline.images.problems import UnreadableImageError
from input_pipeline.images.transforms import decode

PIXELS = np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8)
JPEG_START = b"\xff\xd8"


def file_of(kind, **options):
    buffer = io.BytesIO()
    Image.fromarray(PIXELS).save(buffer, kind, **options)
    return buffer.getvalue()


def raw_tiff(**tags):
    """A TIFF with these tags besides its own."""
    info = TiffImagePlugin.ImageFileDirectory_v2()
    for number, value in tags.items():
        info[int(number[1:])] = value
    return file_of("TIFF", tiffinfo=info)


def with_sensor_samples(order="<"):
    """A thumbnail in colour whose tag SubIFDs leads to samples behind colour filters."""
    entries = [(256, 4, 64), (257, 4, 48), (262, 3, 2), (330, 4, 200)]
    sub = [(256, 4, 6400), (257, 4, 4800), (262, 3, 32803)]

    def directory(fields):
        packed = struct.pack(f"{order}H", len(fields))
        for tag, kind, value in fields:
            number = struct.pack(f"{order}{'I' if kind == 4 else 'HH'}", value, *[0] * (kind == 3))
            packed += struct.pack(f"{order}HHI", tag, kind, 1) + number
        return packed + bytes(4)

    start = b"II*\0" if order == "<" else b"MM\0*"
    data = start + struct.pack(f"{order}I", 8) + directory(entries)
    return data.ljust(200, b"\0") + directory(sub) + bytes(1000)


RAW = {
    "Canon CR3": b"\0\0\0\x18ftypcrx \0\0\0\1crx isom",
    "Canon CR2": b"II*\0\x10\0\0\0CR\2\0" + bytes(80),
    "Fujifilm RAF": b"FUJIFILMCCD-RAW 0201" + bytes(80),
    "Olympus ORF": b"IIRO\x08\0\0\0" + bytes(80),
    "Panasonic RW2": b"IIU\0\x18\0\0\0" + bytes(80),
    "DNG": raw_tiff(t50706=b"\1\4\0\0"),
    "of a camera": with_sensor_samples(),
    "big-endian": with_sensor_samples(">"),
}


@pytest.mark.parametrize("name", RAW)
def test_raw_files_are_refused_for_what_rendering_them_would_do(name):
    shown = "of a camera" if name == "big-endian" else name
    with pytest.raises(UnreadableImageError, match=rf"a RAW file \({shown}\).* the demosaicing"):
        decode(RAW[name])
    with pytest.raises(UnreadableImageError, match="a RAW file"):
        read_facts(RAW[name])


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"\0\0\0\x20ftypisom\0\0\2\0isomiso2avc1mp41" + bytes(99), "a video"),
        (b"%PDF-1.7\n" + bytes(99), "a PDF file"),
        (b"8BPS\0\1" + bytes(99), "a Photoshop file"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "an SVG drawing"),
        (b"#?RADIANCE\n", "a Radiance HDR file"),
    ],
)
def test_other_files_are_refused_by_what_they_are(data, reason):
    with pytest.raises(UnreadableImageError, match=reason):
        decode(data)


def test_a_tiff_of_pixels_is_no_raw_file():
    np.testing.assert_array_equal(decode(file_of("TIFF")), PIXELS)


def mpo():
    """Two pictures in one file, as stereo cameras and phones write it."""
    other = Image.fromarray(np.zeros_like(PIXELS))
    return file_of("MPO", save_all=True, append_images=[other], quality=90)


def gain_map():
    """A JPEG with its gain map behind it, which XMP announces (Ultra HDR)."""
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/" hdrgm:Version="1.0" http://ns.adobe.com/hdr-gain-map/1.0/>'
    body = b"http://ns.adobe.com/xap/1.0/\0" + xmp
    picture = file_of("JPEG", quality=90)
    announced = b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body
    return JPEG_START + announced + picture[2:] + file_of("JPEG", quality=30)


@pytest.mark.parametrize("data", [mpo(), gain_map()])
def test_of_several_pictures_in_a_jpeg_the_first_counts(data):
    expected = np.asarray(Image.open(io.BytesIO(file_of("JPEG", quality=90))))
    np.testing.assert_array_equal(decode(data), expected)
    facts = read_facts(data)
    assert (facts.format, facts.pictures) == ("JPEG", 1)


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "TIFF"])
def test_of_animations_the_first_frame_counts(kind):
    options = {"WEBP": {"lossless": True}}.get(kind, {})
    first = Image.fromarray(PIXELS).quantize(200) if kind == "GIF" else Image.fromarray(PIXELS)
    others = [Image.fromarray(np.full_like(PIXELS, level)) for level in (9, 200)]
    buffer = io.BytesIO()
    first.save(buffer, kind, save_all=True, append_images=others, **options)
    np.testing.assert_array_equal(decode(buffer.getvalue()), np.asarray(first.convert("RGB")))
    assert read_facts(buffer.getvalue()).pictures == 3


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_an_orientation_is_a_fact_and_no_change_of_pixels(kind, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = file_of(kind, exif=exif, **{"WEBP": {"lossless": True}}.get(kind, {}))
    assert read_facts(data).orientation == orientation
    np.testing.assert_array_equal(decode(data).shape, PIXELS.shape)
    if kind != "JPEG":
        np.testing.assert_array_equal(decode(data), PIXELS)
