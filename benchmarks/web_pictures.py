"""Picture files of the kinds that browsers and Pillow may read to different pixels.

All show two of the project's own embedded scenes; the same files come out on every machine with the
same Pillow.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator

import numpy as np
from PIL import Image, ImageCms

from input_pipeline.simulation.camera import inner, quantise, shoot

SIDE = 192
SIZES = {"even": (144, 192), "odd": (131, 187)}  # height, width


def scene(index: int, side: int = SIDE) -> np.ndarray:
    """A photograph of an embedded scene, uint8 ``[side, side, 3]``."""
    clean, noise = shoot(0, (index,), side, (0,))
    return np.asarray(quantise(inner(clean)[0] + noise[0, 0])).astype(np.uint8)


def picture_files() -> Iterator[tuple[str, str, bytes]]:
    """(kind, name, content) of each file."""
    for index, (parity, (height, width)) in enumerate(SIZES.items()):
        pixels = scene(index)[:height, :width]
        image = Image.fromarray(pixels)
        for kind, what, content in [*_jpegs(image), *_pngs(image), *_webps(image), *_rest(image)]:
            yield kind, f"{what} {parity}.{kind.split()[0].lower()}", content


def _jpegs(image: Image.Image) -> Iterator[tuple[str, str, bytes]]:
    for sampling in ("4:4:4", "4:2:2", "4:2:0"):
        for quality in (30, 75, 95):
            for progressive in (False, True):
                name = f"{sampling.replace(':', '')} q{quality}{' progressive' * progressive}"
                yield (
                    f"JPEG {sampling}",
                    name,
                    _saved(
                        image,
                        "JPEG",
                        quality=quality,
                        subsampling=sampling,
                        progressive=progressive,
                    ),
                )
    turned = Image.Exif()
    turned[0x0112] = 6  # orientation: to be turned by 90 degrees
    grey, cmyk = image.convert("L"), image.convert("CMYK")
    yield "JPEG turned by EXIF", "turned", _saved(image, "JPEG", quality=90, exif=turned)
    yield (
        "JPEG with a profile",
        "profile",
        _saved(image, "JPEG", quality=90, icc_profile=other_profile()),
    )
    yield "JPEG grey", "grey", _saved(grey, "JPEG", quality=90)
    yield "JPEG CMYK", "cmyk", _saved(cmyk, "JPEG", quality=90)


def _pngs(image: Image.Image) -> Iterator[tuple[str, str, bytes]]:
    pixels = np.asarray(image)
    yield "PNG RGB", "rgb", _saved(image, "PNG")
    yield "PNG with a profile", "profile", _saved(image, "PNG", icc_profile=other_profile())
    yield "PNG with gamma 1.0", "gamma", with_gamma(_saved(image, "PNG"), 1.0)
    yield "PNG transparent", "alpha", _saved(transparent(image), "PNG")
    yield "PNG palette", "palette", _saved(image.quantize(64), "PNG")
    yield (
        "PNG palette, transparent",
        "palette-alpha",
        _saved(image.quantize(64), "PNG", transparency=bytes(range(0, 256, 4))),
    )
    yield "PNG grey", "grey", _saved(image.convert("L"), "PNG")
    yield "PNG of 16 bits", "deep", sixteen_bits(pixels)


def _webps(image: Image.Image) -> Iterator[tuple[str, str, bytes]]:
    for quality in (30, 75, 95):
        yield "WebP lossy", f"q{quality}", _saved(image, "WEBP", quality=quality)
    yield "WebP lossless", "lossless", _saved(image, "WEBP", lossless=True)
    alpha = transparent(image)
    yield "WebP transparent", "alpha", _saved(alpha, "WEBP", lossless=True, exact=True)
    moving = [image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)]
    yield (
        "WebP animated",
        "moving",
        _saved(image, "WEBP", quality=80, save_all=True, append_images=moving),
    )


def _rest(image: Image.Image) -> Iterator[tuple[str, str, bytes]]:
    yield "AVIF", "q80", _saved(image, "AVIF", quality=80)
    yield "GIF", "plain", _saved(image.quantize(128), "GIF")
    yield "GIF transparent", "alpha", _saved(image.quantize(128), "GIF", transparency=3)
    yield "BMP", "plain", _saved(image, "BMP")


def _saved(image: Image.Image, kind: str, **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def transparent(image: Image.Image) -> Image.Image:
    """The picture with an alpha channel that falls from 255 to 0 across it."""
    ramp = np.linspace(255, 0, image.width).astype(np.uint8)
    image = image.copy()
    image.putalpha(Image.fromarray(np.tile(ramp, (image.height, 1))))
    return image


def other_profile() -> bytes:
    """A colour profile that is far from sRGB: that one, with red and blue exchanged."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    count = struct.unpack(">I", profile[128:132])[0]
    entries = {bytes(profile[at : at + 4]): at for at in range(132, 132 + 12 * count, 12)}
    red, blue = entries[b"rXYZ"] + 4, entries[b"bXYZ"] + 4
    profile[red : red + 8], profile[blue : blue + 8] = (
        profile[blue : blue + 8],
        profile[red : red + 8],
    )
    return bytes(profile)


def with_gamma(png: bytes, gamma: float) -> bytes:
    """A PNG file with a gAMA chunk after its header, which ends at byte 33."""
    return png[:33] + chunk(b"gAMA", struct.pack(">I", round(100_000 * gamma))) + png[33:]


def sixteen_bits(pixels: np.ndarray) -> bytes:
    """A PNG of 16 bits a sample, the lower 8 of them noise, of uint8 ``[h, w, 3]``."""
    height, width, _ = pixels.shape
    lower = np.random.default_rng(0).integers(0, 256, pixels.shape)
    samples = (pixels.astype(np.uint16) * 256 + lower).astype(">u2")
    rows = b"".join(b"\0" + row.tobytes() for row in samples)
    return png_file(width, height, 16, 2, rows)


def png_file(
    width: int,
    height: int,
    depth: int,
    colours: int,
    rows: bytes,
    *,
    interlaced: bool = False,
    palette: bytes = b"",
) -> bytes:
    """A PNG file from filtered rows, in two chunks."""
    head = struct.pack(">IIBBBBB", width, height, depth, colours, 0, 0, interlaced)
    packed = zlib.compress(rows)
    half = len(packed) // 2
    parts = [chunk(b"IHDR", head)]
    parts += [chunk(b"PLTE", palette)] if palette else []
    parts += [chunk(b"IDAT", packed[:half]), chunk(b"IDAT", packed[half:]), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def chunk(name: bytes, content: bytes) -> bytes:
    """One chunk of a PNG file."""
    return (
        struct.pack(">I", len(content))
        + name
        + content
        + struct.pack(">I", zlib.crc32(name + content))
    )
