"""What a file says of itself: read from files that Pillow and this test have written."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from npr_jax.serving.file_report import report_file

MAKE, MODEL, SOFTWARE = 271, 272, 305
IPTC = "http://cv.iptc.org/newscodes/digitalsourcetype/"
PICTURE = Image.fromarray(np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8))


def saved(kind, **settings):
    buffer = io.BytesIO()
    PICTURE.save(buffer, kind, **settings)
    return buffer.getvalue()


def png(**texts):
    info = PngImagePlugin.PngInfo()
    for name, text in texts.items():
        info.add_text(name, text)
    return saved("PNG", pnginfo=info)


def xmp(source_type):
    return (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description '
        f'Iptc4xmpExt:DigitalSourceType="{IPTC}{source_type}"/></x:xmpmeta>'
    )


def exif(**fields):
    data = Image.Exif()
    for tag, value in fields.items():
        data[{"make": MAKE, "model": MODEL, "software": SOFTWARE}[tag]] = value
    return data


def with_chunk(data, kind, body):
    """A PNG with one more chunk, after the header."""
    place = 8 + 25
    chunk = struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
    return data[:place] + chunk + data[place:]


def with_segment(data, marker, body):
    """A JPEG with one more segment, at its start."""
    return data[:2] + b"\xff" + bytes([marker]) + struct.pack(">H", len(body) + 2) + body + data[2:]


def test_a_photograph_of_a_camera():
    report = report_file(
        saved("JPEG", quality=83, subsampling="4:2:0", exif=exif(make="Canon", model="EOS R5"))
    )
    assert (report.format, report.width, report.height) == ("JPEG", 64, 48)
    assert (report.jpeg_quality, report.jpeg_standard_table) == (83, True)
    assert report.subsampling == "4:2:0"
    assert report.camera == "Canon EOS R5"
    assert report.generator_hints == ()
    assert not report.has_content_credentials


def test_a_file_without_metadata():
    data = saved("PNG")
    report = report_file(data)
    assert (report.format, report.num_bytes, report.jpeg_quality) == ("PNG", len(data), None)
    assert (report.texts, report.generator_hints, report.software) == ((), (), "")


@pytest.mark.parametrize(
    ("data", "where", "text"),
    [
        (png(parameters="a cat\nSteps: 20, Sampler: Euler"), "PNG parameters", "Steps: 20"),
        (png(prompt='{"3": {"class_type": "KSampler"}}'), "PNG prompt", "KSampler"),
        (png(workflow="{}"), "PNG workflow", "{}"),
        (png(Software="NovelAI"), "PNG Software", "NovelAI"),
        (png(Description="a boat --v 6 Job ID: 1, Midjourney"), "PNG Description", "Midjourney"),
        (saved("JPEG", exif=exif(software="DALL-E 3")), "EXIF Software", "DALL-E 3"),
        (saved("JPEG", comment=b"made with Stable Diffusion"), "JPEG comment", "Stable Diffusion"),
        (saved("WEBP", exif=exif(software="Adobe Firefly")), "EXIF Software", "Firefly"),
        (
            saved("JPEG", xmp=xmp("trainedAlgorithmicMedia").encode()),
            "IPTC digital source type",
            "trainedAlgorithmicMedia (made by a generator)",
        ),
        (
            saved("JPEG", xmp=xmp("compositeWithTrainedAlgorithmicMedia").encode()),
            "IPTC digital source type",
            "partly made by a generator",
        ),
        (
            with_segment(saved("JPEG"), 0xEB, b"JP\0\1\0\0\0\1\0\0\0\x20jumb..c2pa OpenAI API"),
            "C2PA",
            "OpenAI",
        ),
        (
            with_chunk(
                saved("PNG"),
                b"caBX",
                b"\0\0\0\x20jumb " + IPTC.encode() + b"trainedAlgorithmicMedia ",
            ),
            "C2PA",
            "trainedAlgorithmicMedia",
        ),
    ],
)
def test_metadata_that_names_a_generator(data, where, text):
    [hint] = report_file(data).generator_hints
    assert where in hint.where
    assert text in hint.text


def test_a_png_has_its_xmp_in_a_text():
    info = PngImagePlugin.PngInfo()
    info.add_itxt("XML:com.adobe.xmp", xmp("trainedAlgorithmicMedia"), zip=True)
    report = report_file(saved("PNG", pnginfo=info))
    assert report.digital_source_type == "trainedAlgorithmicMedia"
    assert len(report.generator_hints) == 1


@pytest.mark.parametrize(
    "text",
    [
        "una imagen de la playa",
        "the Gemini constellation",
        "a firefly at night",
        "magnetic flux",
        "digitalCapture",
        "open air",
        "aurora",
    ],
)
def test_words_that_are_no_generators(text):
    assert report_file(png(Description=text)).generator_hints == ()
    report = report_file(saved("JPEG", xmp=xmp("digitalCapture").encode()))
    assert report.digital_source_type == "digitalCapture"
    assert report.generator_hints == ()


@pytest.mark.parametrize(
    "data",
    [
        with_segment(saved("JPEG"), 0xEB, b"JP\0\1\0\0\0\1\0\0\0\x20jumb c2pa"),
        with_chunk(saved("PNG"), b"caBX", b"\0\0\0\x20jumb c2pa"),
        saved("WEBP") + b"C2PA\x04\0\0\0jumb",
    ],
)
def test_content_credentials_are_seen(data):
    assert report_file(data).has_content_credentials


def test_texts_stay_short():
    hint = report_file(png(parameters="x" * 1_000_000)).generator_hints[0]
    assert len(hint.text) <= 300
    bomb = b"parameters\0\0" + zlib.compress(bytes(50_000_000))
    assert report_file(with_chunk(saved("PNG"), b"zTXt", bomb)) is None, "Pillow refuses it too"
    half = b"parameters\0\0" + zlib.compress(bytes(900_000))
    assert len(report_file(with_chunk(saved("PNG"), b"zTXt", half)).generator_hints[0].text) <= 300


def test_damaged_files_never_raise():
    rng = np.random.default_rng(0)
    originals = [
        png(parameters="a", Software="b"),
        saved("JPEG", exif=exif(make="Canon"), xmp=xmp("trainedAlgorithmicMedia").encode()),
        with_segment(saved("JPEG"), 0xEB, b"JP\0\1\0\0\0\1\0\0\0\x20jumb..c2pa"),
        saved("WEBP", exif=exif(make="Canon")),
        saved("TIFF"),
        saved("GIF"),
    ]
    read = 0
    for original in originals:
        for _ in range(150):
            broken = bytearray(original)
            for place in rng.integers(0, min(len(broken), 400), 4):
                broken[place] = rng.integers(256)
            read += report_file(bytes(broken[: rng.integers(1, len(broken) + 1)])) is not None
    assert read > 100, "many of them were read all the same"
