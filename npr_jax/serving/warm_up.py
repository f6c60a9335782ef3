"""Compiles what the first pictures need, before the server says that it is ready."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from npr_jax.serving.limits import CONTENT_TOO_LARGE, TIMED_OUT, Refused
from npr_jax.serving.service import Service

SIDE = 256  # pixels; with its deliveries the usual shapes of batches are compiled


def warm_up(service: Service) -> None:
    """Examines a picture of noise, as far as the server's own limits let it."""
    pixels = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    try:
        service.examine("warm-up.png", buffer.getvalue())
    except Refused as error:
        # Limits may be so tight that even this picture is too large, or compiling takes too long.
        if error.status not in (CONTENT_TOO_LARGE, TIMED_OUT):
            raise
