"""Small files that carry what a test wants, written by Pillow and by hand."""

import io
import struct
import zlib

import numpy as np
from PIL import Image, PngImagePlugin

IPTC_TYPES = "http://cv.iptc.org/newscodes/digitalsourcetype/"
PICTURE = Image.fromarray(np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8))
MAKE, MODEL, SOFTWARE, DESCRIPTION, ARTIST = 0x10F, 0x110, 0x131, 0x10E, 0x13B
MAKER_NOTE, USER_COMMENT, XP_COMMENT = 0x927C, 0x9286, 0x9C9C
A1111 = (
    "a cat\nNegative prompt: dog\nSteps: 20, Sampler: Euler a, CFG scale: 7, Seed: 1, Size: 64x48"
)
COMFY = '{"3": {"class_type": "KSampler", "inputs": {"seed": 1}}}'


def saved(kind, **settings):
    buffer = io.BytesIO()
    PICTURE.save(buffer, kind, **settings)
    return buffer.getvalue()


def png(**texts):
    info = PngImagePlugin.PngInfo()
    for name, text in texts.items():
        info.add_text(name.replace("_", " ") if name == "Creator_Tool" else name, text)
    return saved("PNG", pnginfo=info)


def with_chunk(data, kind, body):
    """A PNG with one more chunk, after the header."""
    place = 8 + 25
    chunk = struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
    return data[:place] + chunk + data[place:]


def with_segment(data, marker, body):
    """A JPEG with one more segment, at its start."""
    return data[:2] + b"\xff" + bytes([marker]) + struct.pack(">H", len(body) + 2) + body + data[2:]


def xmp(*properties, wrapper=True, prefix="Iptc4xmpExt"):
    """A packet with (name, text) as attributes and then elements, as XMP writers do both."""
    elements = "".join(f"<{prefix}:{name}>{text}</{prefix}:{name}>" for name, text in properties)
    inner = (
        '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        f'<rdf:Description rdf:about="">{elements}</rdf:Description></rdf:RDF>'
    )
    return f'<x:xmpmeta xmlns:x="adobe:ns:meta/">{inner}</x:xmpmeta>' if wrapper else inner


def source_type(term):
    return ("DigitalSourceType", IPTC_TYPES + term)


def tiff_block(fields, private=(), order="<"):
    """A TIFF block: directory 0 of (tag, type, bytes), and a private one if it has fields."""
    mark = b"II*\0" if order == "<" else b"MM\0*"
    count = len(fields) + bool(private)
    tables = [list(fields), list(private)]
    starts = [8, 8 + 2 + 12 * count + 4]
    values = starts[1] + (2 + 12 * len(private) + 4 if private else 0)
    heap, written = b"", []
    for table, entries in enumerate(tables if private else tables[:1]):
        rows = []
        if private and not table:
            rows.append((0x8769, 4, 1, struct.pack(order + "I", starts[1])))
        for tag, kind, value in entries:
            if len(value) > 4:
                rows.append((tag, kind, len(value), struct.pack(order + "I", values + len(heap))))
                heap += value + b"\0" * (len(value) % 2)
            else:
                rows.append((tag, kind, len(value), value.ljust(4, b"\0")))
        rows.sort()
        body = b"".join(struct.pack(order + "HHI", *row[:3]) + row[3] for row in rows)
        written.append(struct.pack(order + "H", len(rows)) + body + bytes(4))
    return mark + struct.pack(order + "I", 8) + b"".join(written) + heap


def jpeg_with_exif(block):
    """A JPEG whose Exif is a TIFF block, over several segments where it is long."""
    data = saved("JPEG")
    pieces = [block[i : i + 65_000] for i in range(0, len(block), 65_000)]
    for piece in reversed(pieces):
        data = with_segment(data, 0xE1, b"Exif\0\0" + piece)
    return data


def cbor_text(text):
    coded = text.encode()
    if len(coded) < 24:
        return bytes([0x60 + len(coded)]) + coded
    if len(coded) < 256:
        return bytes([0x78, len(coded)]) + coded
    return b"\x79" + struct.pack(">H", len(coded)) + coded


def box(kind, body):
    return struct.pack(">I", 8 + len(body)) + kind + body


def superbox(kind, label, *contents):
    """A box of JUMBF (ISO 19566-5): four letters of its type, a label, and what is in it."""
    about = kind + bytes.fromhex("00110010800000aa00389b71") + b"\x03" + label + b"\0"
    return box(b"jumb", box(b"jumd", about) + b"".join(contents))


def manifest(*pairs):
    """A manifest store with an assertion of these keys and texts."""
    said = bytes([0xA0 + len(pairs)])
    said += b"".join(cbor_text(key) + cbor_text(text) for key, text in pairs)
    assertion = superbox(b"cbor", b"c2pa.actions", box(b"cbor", said))
    assertions = superbox(b"c2as", b"c2pa.assertions", assertion)
    return superbox(b"c2pa", b"c2pa", superbox(b"c2ma", b"urn:uuid:1", assertions))


def iptc(*datasets):
    """The body of an APP13 segment with IPTC data sets (number, text)."""
    record = b"".join(
        b"\x1c\x02" + struct.pack(">BH", number, len(text.encode())) + text.encode()
        for number, text in datasets
    )
    body = b"8BIM\x04\x04\0\0" + struct.pack(">I", len(record)) + record
    return b"Photoshop 3.0\0" + body + b"\0" * (len(record) % 2)


def exif(*fields, private=()):
    """A JPEG file with text fields (tag, text)."""
    return jpeg_with_exif(tiff_block([(t, 2, v.encode()) for t, v in fields], private))


def jpeg_xmp(*properties, **settings):
    """A JPEG file with these properties in XMP."""
    return saved("JPEG", xmp=xmp(*properties, **settings).encode())
