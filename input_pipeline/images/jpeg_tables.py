"""Which encoder wrote a JPEG, by its quantisation tables, and how sure an estimate of quality is.

A table that is known exactly names its encoder. Of others the nearest of libjpeg's is looked for;
how far it is says whether a quality means anything: the tables of other encoders have other shapes,
and the nearest quality is then that of no frequency at all.
"""

import hashlib
import json
from collections.abc import Sequence
from functools import cache
from importlib import resources
from typing import Any, NamedTuple

import numpy as np
from PIL import JpegPresets

EXACT, NEAR, UNLIKE = "exact", "near", "unlike"
# Mean ratio of the steps, as a logarithm. A table with some entries changed is nearer, the tables
# of MozJPEG, jpegli and Photoshop are 0.12 and more away.
_NEAR = 0.1
# ISO/IEC 10918-1, table K.1, row by row: libjpeg's luminance table of quality 50.
_STANDARD_LUMINANCE = (
    16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55,
    14, 13, 16, 24, 40, 57, 69, 56, 14, 17, 22, 29, 51, 87, 80, 62,
    18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92,
    49, 64, 78, 87, 103, 121, 120, 101, 72, 92, 95, 98, 112, 100, 103, 99,
)  # fmt: skip
_LIBJPEG, _PHOTOSHOP = "libjpeg", "Photoshop"
_DIGITS = 12
# Places of the mean and the three lowest frequencies in a table.
LOW_FREQUENCIES = (0, 1, 8, 9)


class JpegTable(NamedTuple):
    """What a file's quantisation tables tell."""

    encoder: str  # libjpeg, MozJPEG, jpegli, Photoshop, ...; empty where it is not known
    setting: str  # of the encoder, in its words; empty where that is not known
    quality: int  # 1 to 100, of libjpeg's table that is nearest
    certainty: str  # how near: `EXACT`, `NEAR` or `UNLIKE`, where the quality means nothing


def read_tables(
    tables: Sequence[Sequence[int]], comment: bytes = b"", photoshop: str = ""
) -> JpegTable:
    """Names the encoder of a file.

    Args:
      tables: 64 steps each, row by row: of luminance, and of colour where there is one.
      comment: the file's, in which some encoders name themselves.
      photoshop: what Photoshop's own fields say of its setting, see `photoshop_setting`. Like a
        comment they outlive the next encoder: they count where nobody else is known for the table.
    """
    luminance = tuple(tables[0])
    quality, certainty = nearest_quality(luminance)
    encoder, setting = (_LIBJPEG, f"quality {quality}") if certainty == EXACT else _known(tables)
    if encoder in ("", _LIBJPEG):
        encoder = _in_comment(comment, is_libjpegs=encoder == _LIBJPEG) or encoder
    if photoshop and encoder in ("", _PHOTOSHOP):
        encoder, setting = _PHOTOSHOP, photoshop
    return JpegTable(encoder, setting, quality, certainty)


def photoshop_setting(resource: bytes, ducky: bytes) -> str:
    """Photoshop's setting in its words; empty without.

    Args:
      resource: its image resource 0x0406, of Save As: level less 4, 16 bits.
      ducky: its segment APP12, of Save for Web: after the word Ducky tag 1, length 4, quality.
    """
    level = int.from_bytes(resource[:2], "big", signed=True) + 4
    if len(resource) >= 2 and 0 <= level <= 12:
        return f"quality {level} of 12"
    if ducky.startswith(b"Ducky\0\1\0\4") and len(ducky) >= 13:
        return f"Save for Web, quality {int.from_bytes(ducky[9:13], 'big')}"
    return ""


def nearest_quality(table: Sequence[int] | np.ndarray) -> tuple[int, str]:
    """The quality of libjpeg's luminance table that is nearest, and how near it is."""
    steps = np.maximum(np.asarray(table), 1)
    distances = np.abs(np.log(_scaled(_STANDARD_LUMINANCE)) - np.log(steps)).mean(axis=1)
    # Of equals the highest: libjpeg's tables of 100 and 99 are the only ones that come close.
    best = len(distances) - 1 - int(np.argmin(distances[::-1]))
    certainty = EXACT if distances[best] == 0 else NEAR if distances[best] < _NEAR else UNLIKE
    return best + 1, certainty


def _known(tables: Sequence[Sequence[int]]) -> tuple[str, str]:
    """Encoder and setting of tables that are not libjpeg's; empty where they are not known."""
    luminance = tuple(tables[0])
    presets: dict[str, Any] = JpegPresets.presets
    for name, preset in presets.items():
        known = [tuple(table) for table in preset["quantization"]]
        if [tuple(table) for table in tables[:2]] == known[: len(tables)]:
            return _PHOTOSHOP, name.replace("web_", "Save for Web, ").replace("_", " ")
    for base in _encoders()["bases"]:
        same = (_scaled(tuple(base["luminance"])) == np.asarray(luminance)).all(axis=1)
        if same.any():
            return base["encoder"], f"quality {100 - int(np.argmax(same[::-1]))}"
    if max(luminance) <= 255:
        digest = hashlib.sha256(bytes(luminance)).hexdigest()[:_DIGITS]
        for family in _encoders()["digests"]:
            for quality, known_digest in family["of_quality"].items():
                if digest == known_digest:
                    return family["encoder"], family["setting"].format(quality)
    return "", ""


def _in_comment(comment: bytes, is_libjpegs: bool) -> str:
    """The encoder that a comment names, if it writes such tables.

    Comments outlive the next encoder: in ImageNet, Apple's stands beside tables of libjpeg's.
    """
    text = comment.decode("latin-1")
    for known in _encoders()["comments"]:
        if text.startswith(known["begins"]) and known["has_libjpegs_tables"] == is_libjpegs:
            return str(known["encoder"])
    return ""


@cache
def _encoders() -> dict[str, Any]:
    text = resources.files(__package__).joinpath("jpeg_encoders.json").read_text("utf-8")
    known: dict[str, Any] = json.loads(text)
    return known


@cache
def _scaled(base: tuple[int, ...]) -> np.ndarray:
    """A table of quality 50 at the qualities 1 to 100, as libjpeg scales it; int64 [100, 64]."""
    quality = np.arange(1, 101)
    scale = np.where(quality < 50, 5000 // quality, 200 - 2 * quality)
    return np.clip((np.array(base) * scale[:, None] + 50) // 100, 1, 255)
