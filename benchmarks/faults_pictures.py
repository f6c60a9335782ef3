"""Small pictures in every format that is read, with metadata, for the reliability campaign."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import io
import struct
import zlib
from typing import Any

import numpy as np
from PIL import Image, ImageCms, PngImagePlugin

SIDES = (40, 56)  # pixels: height, width
XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF '
    b'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about="" '
    b'xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmp:CreatorTool="Some Program" '
    b'xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"><Iptc4xmpExt:'
    b"DigitalSourceType>http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
    b"</Iptc4xmpExt:DigitalSourceType></rdf:Description></rdf:RDF></x:xmpmeta>"
)
_ADAM7 = ((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2),
          (1, 0, 2, 1))  # fmt: skip


def pictures() -> dict[str, list[bytes]]:
    """Files by format. Those of formats whose library is not installed are left out."""
    rng = np.random.default_rng(0)
    smooth = np.add.outer(np.arange(SIDES[0]) * 3, np.arange(SIDES[1]) * 2)[:, :, None]
    pixels = (smooth + np.array([0, 40, 80]) + rng.integers(0, 25, (*SIDES, 3))).astype(np.uint8)
    rgb = Image.fromarray(pixels)
    alpha = rgb.copy()
    alpha.putalpha(Image.fromarray(pixels[:, :, 0]))
    frames = [Image.fromarray(np.roll(pixels, shift, 1)) for shift in (5, 10)]
    deep = Image.fromarray(pixels[:, :, 0].astype(np.uint16) * 257)
    about = _about()
    found = {
        "JPEG": [
            _saved(rgb, "JPEG", quality=88, **about),
            _saved(rgb, "JPEG", quality=60, subsampling=0, comment=b"a comment"),
            _saved(rgb.convert("L"), "JPEG"),
            _saved(rgb.convert("CMYK"), "JPEG", restart_marker_blocks=2),
        ],
        "JPEG progressive": [
            _saved(rgb, "JPEG", progressive=True, quality=90, **about),
            _saved(rgb.convert("L"), "JPEG", progressive=True),
        ],
        "MPO": [_saved(rgb, "MPO", save_all=True, append_images=frames, exif=about["exif"])],
        "PNG": [
            _saved(rgb, "PNG", pnginfo=_texts(), exif=about["exif"], icc_profile=_profile()),
            _saved(alpha, "PNG"),
            _saved(rgb.convert("LA"), "PNG"),
            _saved(deep, "PNG"),
            _saved(rgb.quantize(16), "PNG", transparency=3),
            _saved(rgb.convert("1"), "PNG"),
            _saved(rgb, "PNG", save_all=True, append_images=frames),
        ],
        "PNG interlaced": [_interlaced(pixels, 2), _interlaced(pixels[:, :, :1], 0)],
        "WebP": [
            _saved(rgb, "WEBP", quality=80, **about, xmp=XMP),
            _saved(alpha, "WEBP", lossless=True),
            _saved(alpha, "WEBP", quality=50),
            _saved(rgb, "WEBP", save_all=True, append_images=frames),
        ],
        "GIF": [
            _saved(rgb, "GIF", comment=b"a comment"),
            _saved(rgb, "GIF", save_all=True, append_images=frames, transparency=2),
            _saved(rgb, "GIF", interlace=1),
        ],
        "BMP": [_saved(rgb, "BMP"), _saved(rgb.quantize(16), "BMP"), _saved(alpha, "BMP")],
        "TIFF": [
            _saved(rgb, "TIFF", **about),
            *(
                _saved(rgb, "TIFF", compression=name, icc_profile=about["icc_profile"])
                for name in ("tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg")
            ),
            _saved(rgb.convert("1"), "TIFF", compression="group4"),
            _saved(deep, "TIFF"),
            _saved(rgb.convert("CMYK"), "TIFF"),
            _saved(rgb, "TIFF", save_all=True, append_images=frames),
        ],
        "JPEG 2000": [_saved(rgb, "JPEG2000"), _saved(alpha, "JPEG2000", num_resolutions=3)],
        "PPM": [_saved(rgb, "PPM"), _saved(deep, "PPM")],
        "TGA": [_saved(alpha, "TGA"), _saved(rgb, "TGA", compression="tga_rle")],
    }
    return found | _young(rgb, alpha, frames, about) | _signed(rgb)


def _young(
    rgb: Image.Image, alpha: Image.Image, frames: list[Image.Image], about: dict[str, Any]
) -> dict[str, list[bytes]]:
    """Formats that are decoded in a process of their own."""
    found = {}
    with contextlib.suppress(ImportError, OSError, KeyError):
        import pillow_heif

        pillow_heif.register_heif_opener()
        found["HEIC"] = [
            _saved(rgb, "HEIF", quality=60, **about, xmp=XMP),
            _saved(alpha, "HEIF", quality=-1),
            _saved(rgb, "HEIF", save_all=True, append_images=frames),
        ]
    with contextlib.suppress(OSError, KeyError):
        found["AVIF"] = [
            _saved(rgb, "AVIF", quality=60, speed=9, **about, xmp=XMP),
            _saved(alpha, "AVIF", speed=9),
            _saved(rgb, "AVIF", speed=9, save_all=True, append_images=frames),
        ]
    with contextlib.suppress(ImportError, OSError, KeyError):
        import pillow_jxl  # noqa: F401

        found["JPEG XL"] = [
            _saved(rgb, "JXL", exif=about["exif"]),
            _saved(alpha, "JXL", lossless=True),
        ]
    return found


def _signed(rgb: Image.Image) -> dict[str, list[bytes]]:
    """With Content Credentials, which a library reads in the same process."""
    if not all(map(importlib.util.find_spec, ("c2pa", "cryptography", "pytest"))):
        return {}
    signer = importlib.import_module("tests.input_pipeline.provenance.signing").Signer()
    files = {"image/jpeg": _saved(rgb, "JPEG"), "image/png": _saved(rgb, "PNG")}
    return {"Content Credentials": [signer.sign(data, kind) for kind, data in files.items()]}


def _saved(image: Image.Image, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    if "append_images" in options:
        options["append_images"] = [frame.copy() for frame in options["append_images"]]
    image.copy().save(buffer, kind, **options)  # saving leaves its settings in the image
    return buffer.getvalue()


def _profile() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def _about() -> dict[str, Any]:
    exif = Image.Exif()
    exif[0x010F], exif[0x0110], exif[0x0131], exif[0x0112] = "Maker", "Model", "Program", 6
    exif.get_ifd(0x8769)[0x9286] = b"ASCII\0\0\0a comment of the user"
    exif.get_ifd(0x8825)[1] = "N"
    return {"exif": exif.tobytes(), "icc_profile": _profile()}


def _texts() -> PngImagePlugin.PngInfo:
    texts = PngImagePlugin.PngInfo()
    texts.add_text("parameters", "a house\nSteps: 20, Sampler: Euler a, Model: some", zip=True)
    texts.add_itxt("XML:com.adobe.xmp", XMP.decode())
    texts.add_text("Raw profile type exif", "\nexif\n       8\n4949" + "2a0008000000" + "\n")
    return texts


def _interlaced(pixels: np.ndarray, colour_type: int) -> bytes:
    """A PNG of 8 bits in Adam7's seven passes, which Pillow reads and does not write."""
    height, width = pixels.shape[:2]
    rows = b""
    for top, left, down, right in _ADAM7:
        for row in pixels[top::down, left::right]:
            rows += b"\0" + row.tobytes()
    head = struct.pack(">IIBBBBB", width, height, 8, colour_type, 0, 0, 1)
    chunks = ((b"IHDR", head), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        for name, body in chunks
    )
