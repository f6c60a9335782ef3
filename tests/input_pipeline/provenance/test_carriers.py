"""Every place in a file where words may stand, and every encoding of them."""

import io
import struct
import time
import zlib

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from input_pipeline.provenance.exif import comment_text
from input_pipeline.provenance.report import read_provenance
from tests.input_pipeline.provenance.files import (
    A1111,
    PICTURE,
    SOFTWARE,
    USER_COMMENT,
    iptc,
    jpeg_with_exif,
    manifest,
    png,
    saved,
    source_type,
    tiff_block,
    with_chunk,
    with_segment,
    xmp,
)

CJK = "一只猫,高画质。\nSteps: 20, Sampler: Euler a, CFG scale: 7, Seed: 1, Size: 64x48"
UNICODE = b"UNICODE\0"
XMP_TEXT = xmp(source_type("trainedAlgorithmicMedia"))
XAP = b"http://ns.adobe.com/xap/1.0/\0"
EXTENSION = b"http://ns.adobe.com/xmp/extension/\0" + b"0" * 32


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("text", [A1111, CJK])
@pytest.mark.parametrize("private", [False, True])
@pytest.mark.parametrize(
    "encode",
    [
        lambda text: b"ASCII\0\0\0" + text.encode(),
        lambda text: UNICODE + text.encode("utf-16-le"),
        lambda text: UNICODE + text.encode("utf-16-be"),
        lambda text: UNICODE + b"\xff\xfe" + text.encode("utf-16-le"),
        lambda text: UNICODE + b"\xfe\xff" + text.encode("utf-16-be"),
        lambda text: b"JIS\0\0\0\0\0" + text.encode("iso2022_jp", errors="replace"),
        lambda text: bytes(8) + text.encode(),
        lambda text: text.encode(),
        lambda text: text.encode("utf-16-be"),
    ],
)
def test_user_comments_in_all_encodings(order, text, private, encode):
    field = (USER_COMMENT, 7, encode(text))
    fields = ([], [field]) if private else ([field], [])
    block = tiff_block(*fields, order=order)
    for data in (jpeg_with_exif(block), with_chunk(saved("PNG"), b"eXIf", block)):
        assert read_provenance(data).source == "generated"


@pytest.mark.parametrize("text", ["一只猫", "ねこの写真", "고양이", "кошка", "a cat"])
@pytest.mark.parametrize("order", ["little", "big"])
@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf16_in_either_byte_order(text, order, encoding):
    assert comment_text(UNICODE + text.encode(encoding), order) == text


def test_a_comment_over_two_segments():
    text = "x" * 70_000 + "\n" + A1111
    block = tiff_block([], [(USER_COMMENT, 7, UNICODE + text.encode("utf-16-be"))])
    assert len(block) > 130_000
    assert read_provenance(jpeg_with_exif(block)).source == "generated"


def itxt(compressed):
    info = PngImagePlugin.PngInfo()
    info.add_itxt("XML:com.adobe.xmp", XMP_TEXT, zip=compressed)
    return saved("PNG", pnginfo=info)


def raw_profile(keyword, body):
    name = keyword.split()[-1]
    return png(**{keyword: f"\n{name}\n{len(body):8}\n{body.hex()}\n"})


def webp_with(kind, body):
    data = saved("WEBP", xmp=b"x") if kind == b"XMP " else saved("WEBP", exif=b"Exif\0\0" + body)
    return saved("WEBP", xmp=body) if kind == b"XMP " else data


def tiff_with(tag, body):
    buffer = io.BytesIO()
    PICTURE.save(buffer, "TIFF", tiffinfo={tag: body})
    return buffer.getvalue()


def gif_with_xmp():
    data = saved("GIF")
    packet = XMP_TEXT.encode()
    magic = b"\1" + bytes(range(255, -1, -1)) + b"\0"
    return data[:-1] + b"\x21\xff\x0bXMP DataXMP" + packet + magic + b";"


def avif_with_xmp():
    return saved("AVIF", xmp=XMP_TEXT.encode())


PACKETS = {
    "PNG iTXt": itxt(compressed=False),
    "PNG iTXt, compressed": itxt(compressed=True),
    "raw profile xmp": raw_profile("Raw profile type xmp", XMP_TEXT.encode()),
    "raw profile APP1": raw_profile("Raw profile type APP1", XAP + XMP_TEXT.encode()),
    "JPEG": saved("JPEG", xmp=XMP_TEXT.encode()),
    "JPEG, no wrapper": saved(
        "JPEG", xmp=xmp(source_type("trainedAlgorithmicMedia"), wrapper=False).encode()
    ),
    "JPEG, another prefix": saved(
        "JPEG", xmp=xmp(source_type("trainedAlgorithmicMedia"), prefix="ns7").encode()
    ),
    "JPEG, UTF-16": with_segment(saved("JPEG"), 0xE1, XAP + XMP_TEXT.encode("utf-16-be")),
    "JPEG, UTF-16, little": with_segment(saved("JPEG"), 0xE1, XAP + XMP_TEXT.encode("utf-16-le")),
    "JPEG, extended": with_segment(
        with_segment(
            saved("JPEG"),
            0xE1,
            EXTENSION + struct.pack(">II", len(XMP_TEXT), 100) + XMP_TEXT.encode()[100:],
        ),
        0xE1,
        EXTENSION + struct.pack(">II", len(XMP_TEXT), 0) + XMP_TEXT.encode()[:100],
    ),
    "WebP": saved("WEBP", xmp=XMP_TEXT.encode()),
    "TIFF": tiff_with(700, XMP_TEXT.encode()),
    "GIF": gif_with_xmp(),
    "AVIF": saved("AVIF", xmp=XMP_TEXT.encode()),
    "attribute": saved(
        "JPEG",
        xmp=b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description Iptc4xmpExt:DigitalSourceType='
        b'"http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"/></x:xmpmeta>',
    ),
    "resource": saved(
        "JPEG",
        xmp=b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><e:DigitalSourceType rdf:resource='
        b'"http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"/></x:xmpmeta>',
    ),
    "in a list": saved(
        "JPEG",
        xmp=xmp(
            ("DigitalSourceType", "<rdf:Bag><rdf:li>trainedAlgorithmicMedia</rdf:li></rdf:Bag>")
        ).encode(),
    ),
    "cut off": saved("JPEG", xmp=XMP_TEXT.encode()[:-40]),
}


@pytest.mark.parametrize("data", PACKETS.values(), ids=PACKETS)
def test_xmp_wherever_it_lies(data):
    found = read_provenance(data)
    assert found.source == "generated"
    assert found.digital_source_type == "trainedAlgorithmicMedia"


NAMED = tiff_block([(SOFTWARE, 2, b"Midjourney")])
BLOCKS = {
    "JPEG": jpeg_with_exif(NAMED),
    "PNG": with_chunk(saved("PNG"), b"eXIf", NAMED),
    "PNG, with a prefix": with_chunk(saved("PNG"), b"eXIf", b"Exif\0\0" + NAMED),
    "raw profile exif": raw_profile("Raw profile type exif", b"Exif\0\0" + NAMED),
    "raw profile APP1": raw_profile("Raw profile type APP1", b"Exif\0\0" + NAMED),
    "raw profile iptc": raw_profile("Raw profile type iptc", iptc((65, "Midjourney"))[14:]),
    "WebP": saved("WEBP", exif=b"Exif\0\0" + NAMED),
    "WebP, bare": saved("WEBP", exif=NAMED),
    "TIFF": tiff_with(SOFTWARE, "Midjourney"),
    "AVIF": saved("AVIF", exif=b"Exif\0\0" + NAMED),
    "JPEG comment": saved("JPEG", comment=b"Made with Midjourney"),
    "GIF comment": saved("GIF", comment=b"Made with Midjourney"),
    "PNG zTXt": with_chunk(saved("PNG"), b"zTXt", b"Software\0\0" + zlib.compress(b"Midjourney")),
}


@pytest.mark.parametrize("data", BLOCKS.values(), ids=BLOCKS)
def test_exif_iptc_and_comments_wherever_they_lie(data):
    found = read_provenance(data)
    assert (found.source, found.generator) == ("generated", "Midjourney")


@pytest.mark.parametrize(
    "data",
    [
        with_segment(saved("JPEG"), 0xEB, b"JP\0\1\0\0\0\1" + manifest()),
        with_chunk(saved("PNG"), b"caBX", manifest()),
        saved("WEBP") + b"C2PA\x04\0\0\0jumb",
        saved("TIFF") + manifest(),
        saved("AVIF") + b"\0\0\0\x40uuid" + bytes.fromhex("d8fec3d61b0e483c92975828877ec481"),
        b"\0\0\0\x0cJXL \r\n\x87\n" + manifest(),
    ],
)
def test_content_credentials_are_seen(data):
    assert read_provenance(data).has_credentials


def test_a_manifest_over_two_segments_is_joined_where_it_was_cut():
    whole = manifest(("softwareAgent", "Bing Image Creator"))
    cut = len(whole) - 9
    head = b"JP\0\1\0\0\0"
    data = with_segment(saved("JPEG"), 0xEB, head + b"\2" + whole[:8] + whole[cut:])
    data = with_segment(data, 0xEB, head + b"\1" + whole[:cut])
    assert read_provenance(data).generator == "Bing Image Creator (Microsoft)"


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF"])
def test_bytes_after_the_end_are_counted(kind):
    data = saved(kind)
    assert read_provenance(data).bytes_after_end == 0
    assert read_provenance(data + bytes(100)).bytes_after_end == 0, "padding is nothing"
    assert read_provenance(data + b"PK\3\4hidden").bytes_after_end == 10


def test_progressive_scans_have_one_end():
    assert read_provenance(saved("JPEG", progressive=True) + b"abc").bytes_after_end == 3


def test_samsungs_generative_edits_stand_after_the_end():
    found = read_provenance(saved("JPEG") + b'PhotoEditor_Re_Edit_Data{"genAIType":2}SEFT')
    assert (found.source, found.generator) == ("parts", "Galaxy AI (Samsung)")
    assert read_provenance(saved("JPEG") + b'{"genAIType":0}').source == ""


def test_entities_are_not_expanded():
    lines = "".join(f'<!ENTITY e{i + 1} "{f"&e{i};" * 10}">' for i in range(9))
    bomb = f'<!DOCTYPE x [<!ENTITY e0 "lol">{lines}]><x:xmpmeta><a>&e9;</a></x:xmpmeta>'
    assert read_provenance(saved("JPEG", xmp=bomb.encode())).source == ""


@pytest.mark.parametrize("keyword", [b"a", b"XML:com.adobe.xmp", b"Raw profile type xmp"])
def test_thousands_of_texts_that_expand_take_little_time(keyword):
    bomb = keyword + b"\0\0" + zlib.compress(b" " * 1_900_000 + b"<x:xmpmeta>")
    chunk = struct.pack(">I", len(bomb)) + b"zTXt" + bomb + bytes(4)
    data = with_chunk(saved("PNG"), b"tEXt", b"b\0b")
    started = time.process_time()
    assert read_provenance(data[:33] + 3000 * chunk + data[33:]).source == ""
    assert time.process_time() - started < 8, "minutes where each is expanded and searched"


def test_long_texts_take_no_time():
    hostile = [
        "Steps: 1, " * 20_000,
        '"nodes": [' * 20_000,
        '{"base_model":' * 14_000,
        "model: " * 28_000,
        "made with " * 20_000,
        " " * 200_000,
        "\n" * 200_000,
    ]
    for text in hostile:
        assert read_provenance(png(Comment=text)).source == ""


def test_damaged_files_never_raise():
    rng = np.random.default_rng(0)
    originals = [*PACKETS.values(), *BLOCKS.values(), png(parameters=A1111)]
    found = 0
    for original in originals:
        for _ in range(40):
            broken = bytearray(original)
            for place in rng.integers(0, min(len(broken), 600), 4):
                broken[place] = rng.integers(256)
            found += bool(read_provenance(bytes(broken[: rng.integers(1, len(broken) + 1)])).source)
    assert found > 100, "many of them were read all the same"


@pytest.mark.parametrize(
    "data", [b"", b"\xff\xd8", b"\x89PNG\r\n\x1a\n", b"RIFF", b"GIF89a", b"II*\0"]
)
def test_beginnings_say_nothing(data):
    found = read_provenance(data)
    assert (found.source, found.markers, found.has_credentials) == ("", (), False)


def test_pillow_agrees_on_what_was_written():
    data = jpeg_with_exif(NAMED)
    with Image.open(io.BytesIO(data)) as image:
        assert image.getexif()[SOFTWARE] == "Midjourney"
