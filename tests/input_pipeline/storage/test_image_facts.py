"""Facts of an image: from the file against Pillow, from the pixels against numpy and scipy."""

import io

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from input_pipeline.storage.records import FACT_COLUMNS, ImageRecord, image_facts


def record(content, storage, height, width):
    return ImageRecord(content, storage, height, width, 1, "g", "name")


def picture(height=80, width=120):
    rng = np.random.default_rng(0)
    return ndimage.gaussian_filter(rng.uniform(0, 255, (height, width, 3)), (2, 2, 0)).astype(
        np.uint8
    )


def test_of_a_jpeg():
    image = picture()
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "JPEG", quality=83)
    content = buffer.getvalue()
    facts = image_facts(record(content, "encoded", 80, 120), image)
    assert set(facts) == set(FACT_COLUMNS)
    assert (facts["format"], facts["jpeg_quality"]) == ("JPEG", 83)
    assert (facts["height"], facts["width"]) == (80, 120)
    assert facts["bytes_per_pixel"] == pytest.approx(len(content) / 9600)


def test_a_table_like_none_of_libjpegs_has_no_quality():
    buffer = io.BytesIO()
    Image.fromarray(picture()).save(buffer, "JPEG", quality="high")  # Photoshop's
    facts = image_facts(record(buffer.getvalue(), "encoded", 80, 120), picture())
    assert (facts["format"], facts["jpeg_quality"]) == ("JPEG", None)


def test_of_stored_pixels():
    facts = image_facts(record(picture().tobytes(), "decoded", 80, 120), picture())
    assert facts["format"] is facts["jpeg_quality"] is facts["bytes_per_pixel"] is None


@pytest.mark.parametrize("shape", [(80, 120), (600, 700)])
def test_of_the_pixels(shape):
    image = picture(*shape)
    facts = image_facts(record(image.tobytes(), "decoded", *shape), image)
    top, left = (max(0, (n - 512) // 2) for n in shape)
    part = image[top : top + 512, left : left + 512]
    luma = np.asarray(Image.fromarray(part).convert("L"), np.float64)
    assert facts["brightness"] == pytest.approx(luma.mean(), abs=0.1)
    assert facts["contrast"] == pytest.approx(luma.std(), rel=0.01)
    edges = ndimage.laplace(luma, mode="mirror")
    assert facts["sharpness"] == pytest.approx(edges.std(), rel=0.05)
    blurred = ndimage.gaussian_filter(image, (2, 2, 0))
    again = image_facts(record(blurred.tobytes(), "decoded", *shape), blurred)
    assert again["sharpness"] < 0.8 * facts["sharpness"]
