"""Compiles what the first pictures need, before the server says that it is ready."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from npr_jax.serving.service import Service

SIDE = 256  # pixels; with its deliveries the usual shapes of batches are compiled


def warm_up(service: Service) -> None:
    """Examines a picture of noise."""
    pixels = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    service.examine("warm-up.png", buffer.getvalue())
