"""Pixels saved as another file was: its format, its tables, its subsampling."""

import io

import numpy as np
import pytest
from PIL import Image

from input_pipeline.images.problems import UnreadableImageError
from input_pipeline.images.resaving import saving_of


@pytest.fixture(scope="module")
def picture():
    coarse = np.random.default_rng(0).integers(0, 256, (12, 16, 3), np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((128, 96), Image.Resampling.BICUBIC))


def encoded(picture, kind, mode="RGB", **options):
    file = io.BytesIO()
    Image.fromarray(picture).convert(mode).save(file, kind, **options)
    return file.getvalue()


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("JPEG", {"quality": 37, "subsampling": 0}),
        ("JPEG", {"quality": 75, "subsampling": 1}),
        ("JPEG", {"quality": 92, "subsampling": 2, "progressive": True}),
        ("JPEG", {"qtables": [list(range(1, 65)), list(range(64, 0, -1))]}),
        ("JPEG", {"qtables": [list(range(1, 65))]}),
        ("PNG", {}),
        ("WEBP", {"lossless": True}),
    ],
)
def test_the_same_pixels_give_the_same_file_again(picture, kind, options):
    data = encoded(picture, kind, **options)
    saving = saving_of(data)
    assert saving.format == kind
    again = saving.save(picture)
    if kind == "JPEG":
        assert again == data
    else:
        np.testing.assert_array_equal(Image.open(io.BytesIO(again)).convert("RGB"), picture)


@pytest.mark.parametrize("quality", [20, 60, 90])
def test_a_webps_quality_is_found_by_its_size(picture, quality):
    data = encoded(picture, "WEBP", quality=quality)
    saving = saving_of(data)
    assert saving.suffix == ".webp"
    # Pixels that were compressed before take a few bytes more or less than they did.
    assert abs(saving.options["quality"] - quality) <= 10
    assert len(saving.save(picture)) == pytest.approx(len(data), rel=0.15)


def test_grey_stays_grey(picture):
    saving = saving_of(encoded(picture, "JPEG", "L", quality=60))
    assert Image.open(io.BytesIO(saving.save(picture))).mode == "L"


def test_a_phones_jpeg_with_more_pictures_behind_it_is_a_jpeg(picture):
    more = [Image.fromarray(picture[:8, :8])]
    data = encoded(picture, "MPO", save_all=True, append_images=more, quality=83)
    assert Image.open(io.BytesIO(data)).format == "MPO"
    saving = saving_of(data)
    again = Image.open(io.BytesIO(saving.save(picture)))
    assert again.format == saving.format == "JPEG"
    assert again.quantization == Image.open(io.BytesIO(data)).quantization


@pytest.mark.parametrize("mode", ["CMYK", "L"])
def test_jpegs_of_other_colours_keep_their_tables(picture, mode):
    data = encoded(picture, "JPEG", mode, quality=40)
    again = Image.open(io.BytesIO(saving_of(data).save(picture)))
    assert again.quantization[0] == Image.open(io.BytesIO(data)).quantization[0]


def test_other_formats_become_png(picture):
    saving = saving_of(encoded(picture, "BMP"))
    assert (saving.format, saving.suffix) == ("PNG", ".png")


def test_what_is_no_image_is_refused():
    with pytest.raises(UnreadableImageError):
        saving_of(b"no image")
