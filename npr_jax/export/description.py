"""What an exported file says of itself."""

from __future__ import annotations

import json
import pathlib
from typing import Any

from input_pipeline.errors import UserError
from input_pipeline.storage.whole_content import read_object
from npr_jax.detectors import calibration_file
from npr_jax.detectors.calibration import to_json
from npr_jax.evaluation.provenance import package_version
from npr_jax.inference.detector import Detector
from npr_jax.inference.verdict import CONFIDENCE
from npr_jax.models.base import period

VERSION = 1  # of the layout of an exported file


def describe(detector: Detector) -> dict[str, Any]:
    """Everything a program that loads the file must know, JSON values by name."""
    model = detector.model
    return {
        "format_version": VERSION,
        "npr_jax_version": package_version(),
        "detector": detector.title,
        "system": detector.system,
        "step": detector.step,
        "checkpoint_sha256": calibration_file.fingerprint(model),
        "input": "images: uint8 [n, h, w, 3], RGB, values 0 to 255",
        "output": "probability: float32 [n], of being generated"
        + (f"; weights: float32 [n, {len(model.scales)}], of the scales" if model.scales else ""),
        "minimum_side": detector.preprocessing.min_side,
        "scored": _scored(period(model)),
        "preprocessing": detector.preprocessing_in_words,
        "before": steps_before(detector),
        "scales": list(model.scales),
        "calibration": detector.calibration and to_json(detector.calibration),
        "verdicts": verdicts(detector),
    }


def read_description(path: pathlib.Path, *keys: str) -> dict[str, Any]:
    """What a file says that an export wrote, known by its keys; empty: it is none such."""
    try:
        said = read_object(path, "")
    except (OSError, UserError):
        return {}
    return said if said.keys() >= {*keys} else {}


def _scored(pixels: int) -> str:
    """Which pixels of the input count."""
    if pixels == 1:
        return "all pixels"
    return (
        "the largest part from the top left whose sides are multiples of "
        f"{pixels} pixels; the rest has no influence"
    )


def steps_before(detector: Detector) -> list[str]:
    """What happens to a file before its pixels go in; not part of any exported file."""
    steps = [
        "decode the file to 8-bit RGB as input_pipeline.images.transforms.decode does: opaque "
        "JPEG, PNG, WebP and AVIF of 8 bits as Pillow's Image.open(file).convert('RGB'); EXIF "
        "orientation ignored, transparent pixels laid on mid-grey (128)"
    ]
    way = detector.preprocessing
    if way.jpeg_quality:
        quality = way.jpeg_quality
        steps.append(f"re-encode with Pillow as JPEG, quality {quality}, 4:2:0, and decode")
    if way.resize and way.resize_mode == "squash":
        side = way.resize
        steps.append(
            f"resize to {side}x{side} pixels, whatever the aspect, with Pillow's antialiased "
            f"filter: Image.resize(({side}, {side}), Image.Resampling.BILINEAR)"
        )
    elif way.resize:
        steps.append(
            f"resize to a short side of {way.resize} pixels, the long one in proportion and "
            "rounded down, with Pillow's antialiased filter Image.Resampling.BILINEAR"
        )
    if way.crop:
        how = "tiled" if way.small_images == "tile" else "padded by reflection"
        steps.append(f"cut out the central {way.crop}x{way.crop} pixels (smaller images {how})")
    if way.multiple_of != period(detector.model):  # which the file sees to itself
        steps.append(
            "cut rows at the bottom and columns at the right until both sides are multiples of "
            f"{way.multiple_of} pixels"
        )
    if detector.file_view is not None:
        view = detector.file_view.description
        steps.append(f"turn it into what the network was trained on: {view}")
    return steps


def verdicts(detector: Detector) -> dict[str, float | None]:
    """From which probability an image is called generated, up to which a photograph.

    None: never. Between the two, the verdict is unsure.
    """
    known, names = detector.calibration, ("generated_from", "photograph_to")
    if known is None:
        return dict(zip(names, (CONFIDENCE, 1.0 - CONFIDENCE), strict=True))
    logits = {name: getattr(known, name) for name in names}
    return {k: None if v is None else float(known.probabilities(v)) for k, v in logits.items()}


def temperature_and_bias(detector: Detector) -> tuple[float, float]:
    """The probability is ``sigmoid(logit / temperature + bias)``."""
    known = detector.calibration
    return (known.temperature, known.bias) if known else (1.0, 0.0)


def as_properties(description: dict[str, Any]) -> dict[str, str]:
    """The same with a text for each value: itself, or JSON where it is no text."""
    return {k: v if isinstance(v, str) else json.dumps(v) for k, v in description.items()}
