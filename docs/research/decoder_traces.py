"""What decoders do to the traces that NPR reads: residuals and logits beside the reference's.

    python -m docs.research.decoder_traces REALWORLD docs/results/decoders/realworld.csv

The reference is what `predict` reads files with. Pictures made here, of even and odd sides, are
saved in each format and decoded by every library at hand (`docs.research.decoders`); so are
photographs of a folder that `prepare` reads, JPEG files as found, at most 320 pixels a side of
each. `make results` puts the tables into docs/formats.md.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime
import io
import pathlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from PIL import Image, JpegImagePlugin

from docs.research.decoders import Decoder, decoders
from docs.research.scripts import run_script
from input_pipeline.images.problems import UnreadableImageError
from input_pipeline.images.transforms import decode
from input_pipeline.prepare.sources import find_source
from input_pipeline.simulation import camera
from input_pipeline.storage.atomic_files import write_file
from input_pipeline.storage.csv_files import csv_text
from input_pipeline.storage.records import PHOTOGRAPH
from npr_jax.inference.detector import Detector
from npr_jax.inference.verdict import score_of

FOLDER = "decoders"  # within docs/results
COLUMNS = (
    *("pictures", "file", "decoder", "version", "count", "changed", "luma", "colour"),
    *("shift", "shift_largest", "shift_mean", "verdicts", "spread", "detector", "date"),
)
EVEN, ODD, FOUND = "made, 192 x 192", "made, 191 x 191", "photographs"
AS_FOUND = "JPEG 4:2:0"
# How Pillow and its plugins save each kind of file.
KINDS: dict[str, tuple[str, dict[str, Any]]] = {
    AS_FOUND: ("JPEG", {"quality": 90, "subsampling": "4:2:0"}),
    "JPEG 4:2:2": ("JPEG", {"quality": 90, "subsampling": "4:2:2"}),
    "JPEG 4:4:4": ("JPEG", {"quality": 90, "subsampling": "4:4:4"}),
    "WebP": ("WEBP", {"quality": 80}),
    "AVIF 4:2:0": ("AVIF", {"quality": 80, "subsampling": "4:2:0"}),
    "HEIC 4:2:0": ("HEIF", {"quality": 80, "chroma": 420}),
    "JPEG XL": ("JXL", {"quality": 90}),
}
FOUND_KINDS = (AS_FOUND, "WebP", "AVIF 4:2:0", "HEIC 4:2:0", "JPEG XL")
_SIDE, _MADE_SIDE, _SEED = 320, 192, 17
_TO_YCC = np.array(
    [[0.299, -0.168736, 0.5], [0.587, -0.331264, -0.418688], [0.114, 0.5, -0.081312]]
)


class File(NamedTuple):
    """One to be decoded: the group of its picture, its kind and its bytes."""

    pictures: str
    kind: str
    data: bytes


class Reading(NamedTuple):
    """A file by one decoder beside the reference."""

    changed: float  # share of pixels
    residuals: np.ndarray  # mean |NPR residual| of Y and of Cb and Cr, in levels: float [2]
    expected: np.ndarray  # by the reference
    logit: float  # NaN of pictures made here, whose logits mean nothing
    expected_logit: float


def measure(source: pathlib.Path, made: int, found: int) -> list[dict[str, str]]:
    """The rows of the CSV.

    Args:
        source: a folder that `prepare` reads.
        made: pictures that are made here.
        found: photographs of the source, JPEG 4:2:0.
    """
    detector = Detector.default()
    readings: dict[tuple[str, str, Decoder], list[Reading]] = {}
    with decoders() as known:
        for file in _files(source, made, found):
            for decoder, reading in _read(file, known, detector):
                readings.setdefault((file.pictures, file.kind, decoder), []).append(reading)
    return [
        dict(zip(COLUMNS, _row(*key, values, detector), strict=True))
        for key, values in readings.items()
    ]


def residuals(pixels: np.ndarray) -> np.ndarray:
    """Mean |NPR residual| (factor 0.5) of uint8 [h, w, 3], even sides: Y; Cb and Cr. float [2]"""
    ycc = pixels.astype(np.float64) @ _TO_YCC
    differences = np.abs(ycc - ycc[::2, ::2].repeat(2, axis=0).repeat(2, axis=1))
    luma, blue, red = differences.mean((0, 1))
    return np.array([luma, (blue + red) / 2])


def _files(source: pathlib.Path, made: int, found: int) -> Iterator[File]:
    _register()
    for index in range(made):
        clean, noise = camera.shoot(_SEED, (index,), _MADE_SIDE, (0,))
        picture = camera.quantise(camera.inner(clean) + noise[:, 0])[0]
        for kind in KINDS:
            yield File(EVEN, kind, saved(picture, kind))
            yield File(ODD, kind, saved(picture[:-1, :-1], kind))
    for data in _photographs(source, found):
        picture = _scored(decode(data))
        yield File(FOUND, AS_FOUND, data)
        for kind in FOUND_KINDS[1:]:
            yield File(FOUND, kind, saved(picture, kind))


def _register() -> None:
    import pillow_heif
    import pillow_jxl  # noqa: F401

    pillow_heif.register_heif_opener()


def saved(pixels: np.ndarray, kind: str) -> bytes:
    """A file of one of `KINDS`."""
    name, options = KINDS[kind]
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, name, **options)
    return buffer.getvalue()


def _photographs(source: pathlib.Path, count: int) -> Iterator[bytes]:
    """JPEG files 4:2:0 that no detector here was trained on, evenly from the whole list."""
    splits = find_source(source).splits
    files = splits.get("dev") or next(iter(splits.values()))
    usable = []
    for file in files:
        data = pathlib.Path(file.path).read_bytes() if file.label == PHOTOGRAPH else b""
        if data[:2] == b"\xff\xd8":
            image = Image.open(io.BytesIO(data))
            if image.mode == "RGB" and JpegImagePlugin.get_sampling(image) == 2:
                usable.append(data)
    yield from usable[:: max(1, len(usable) // max(1, count))][:count]


def _scored(pixels: np.ndarray) -> np.ndarray:
    """The part that counts: the first pixels of both axes, an even number."""
    height, width = (min(_SIDE, side) // 2 * 2 for side in pixels.shape[:2])
    return np.ascontiguousarray(pixels[:height, :width])


def _read(
    file: File, known: Sequence[Decoder], detector: Detector
) -> Iterator[tuple[Decoder, Reading]]:
    expected = _scored(decode(file.data))
    seen: dict[bytes, float] = {}  # logits by pixels: many decoders give the same

    def logit(pixels: np.ndarray) -> float:
        if file.pictures != FOUND:
            return float("nan")
        key = pixels.tobytes()
        if key not in seen:
            seen[key] = float(detector.logits([pixels])[0])
        return seen[key]

    for decoder in known:
        with contextlib.suppress(Exception):  # every library has errors of its own: not read
            pixels = _scored(decoder.decode(file.data))
            if pixels.shape != expected.shape:
                raise UnreadableImageError("another size")
            yield (
                decoder,
                Reading(
                    float((pixels != expected).any(axis=2).mean()),
                    residuals(pixels),
                    residuals(expected),
                    logit(pixels),
                    logit(expected),
                ),
            )


def _row(
    pictures: str, kind: str, decoder: Decoder, values: Sequence[Reading], detector: Detector
) -> Iterator[str]:
    luma, colour = np.sum([v.residuals for v in values], 0) / np.sum(
        [v.expected for v in values], 0
    )
    yield from (pictures, kind, decoder.name, decoder.version, str(len(values)))
    yield f"{np.mean([value.changed for value in values]):.4f}"
    yield from (f"{luma:.4f}", f"{colour:.4f}")
    yield from _shifts(values, detector) if pictures == FOUND else [""] * 5
    yield detector.title if pictures == FOUND else ""
    yield datetime.datetime.now(datetime.UTC).date().isoformat()


def _shifts(values: Sequence[Reading], detector: Detector) -> list[str]:
    """The columns from `shift` to `spread`."""
    expected = np.array([value.expected_logit for value in values])
    moved = np.array([value.logit for value in values]) - expected
    spread = max(float(expected.std()), np.finfo(float).tiny)
    verdicts = sum(
        _verdict(value.logit, detector) != _verdict(value.expected_logit, detector)
        for value in values
    )
    shifts = (np.abs(moved).mean(), np.abs(moved).max(), moved.mean())
    return [*(f"{shift / spread:.4f}" for shift in shifts), str(verdicts), f"{spread:.4f}"]


def _verdict(logit: float, detector: Detector) -> str:
    return score_of("", logit, None, calibration=detector.calibration).verdict


def main(arguments: Iterable[str] | None = None) -> None:
    """The command above."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("source", type=pathlib.Path)
    parser.add_argument("output", type=pathlib.Path)
    parser.add_argument("--made", type=int, default=8, help="pictures that are made")
    parser.add_argument("--photographs", type=int, default=20, help="photographs of the source")
    flags = parser.parse_args(None if arguments is None else list(arguments))
    rows = measure(flags.source, flags.made, flags.photographs)
    flags.output.parent.mkdir(parents=True, exist_ok=True)
    write_file(flags.output, csv_text(COLUMNS, rows))


if __name__ == "__main__":
    run_script(main)
