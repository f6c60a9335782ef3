"""model.json: what the page has to know of its detector."""

from __future__ import annotations

import hashlib
from typing import Any

from input_pipeline.errors import UserError
from npr_jax.export.description import describe
from npr_jax.export.web.packages import PACKAGES
from npr_jax.inference.detector import Detector
from npr_jax.inference.tiling import MIN_SIDE
from npr_jax.inference.verdict import CONFIDENCE
from npr_jax.models.systems.registry import SYSTEMS
from npr_jax.residuals.front_end import FrontEnd

# What one tab may be asked for. An image goes through the network whole: the paper's takes 260
# bytes a pixel, a tab has at most 4 GB for it, and phones' cameras make 12.2 million pixels.
MAX_SCORED_PIXELS = 12_500_000
MAX_PIXELS = 64_000_000
MAX_BYTES = 100_000_000


def check_suited(detector: Detector) -> None:
    """Raises ``ValueError`` for a detector whose preprocessing a browser cannot repeat."""
    way = detector.preprocessing
    if way.jpeg_quality:
        raise UserError(
            f"this detector re-encodes files as JPEG {way.jpeg_quality} before it scores "
            "them (data.reencode), which a browser does not do to the same pixels; --format=web "
            "takes detectors trained without"
        )
    if way.even or way.resize_mode != "squash":
        raise UserError(
            f"the page does not prepare images so: {way.in_words()}; --format=web takes detectors "
            "that score every row and column of images at native size or squashed to a square"
        )
    if way.read_file or SYSTEMS[detector.system].file_view:
        raise UserError(
            f"{detector.system} looks at more of a file than its pixels, which the page does not; "
            "--format=web takes npr and multiscale"
        )


def describe_for_page(detector: Detector, model: bytes) -> dict[str, Any]:
    """The content of model.json, JSON values by name."""
    return describe(detector) | {
        "model_sha256": hashlib.sha256(model).hexdigest(),
        "steps": {
            "resize": detector.preprocessing.resize,
            "crop": detector.preprocessing.crop,
            "small_images": detector.preprocessing.small_images,
        },
        "limits": {
            "min_side": MIN_SIDE,
            "max_scored_pixels": MAX_SCORED_PIXELS,
            "max_pixels": MAX_PIXELS,
            "max_bytes": MAX_BYTES,
        },
        "residuals": [_residual(front_end) for front_end in detector.model.front_ends],
        "confidence": CONFIDENCE,
        "packages": [{"name": p.name, "version": p.version, "notice": p.notice} for p in PACKAGES],
    }


def _residual(front_end: FrontEnd) -> dict[str, Any]:
    """A view; ``drawn`` where the page has a picture of it."""
    return {
        "name": front_end.name,
        "mode": front_end.mode,
        "factor": front_end.factor,
        "phase": list(front_end.phase),
        "color": front_end.color,
        "drawn": front_end.mode == "nearest" and front_end.color == "rgb",
    }
