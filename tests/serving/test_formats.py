"""Files that phones and cameras make, sent to the API: scored as by ``predict``, or why not."""

import csv
import io
import pathlib

import numpy as np
import pytest
from PIL import Image

from input_pipeline.images.transforms import decode
from input_pipeline.storage.prepared_dataset import PreparedDataset
from input_pipeline.storage.records import image_array
from npr_jax.cli.predict import predict_files
from tests import runs, trees

PICTURE = runs.picture(0, True)


@pytest.mark.parametrize("kind", ["HEIF", "JXL", "AVIF"])
def test_content_decides_and_scores_are_those_of_predict(kind, client, ask, encoded, detector):
    pytest.importorskip("pillow_heif").register_heif_opener()
    pytest.importorskip("pillow_jxl")
    data = encoded(PICTURE, kind)
    [result] = ask(client, ("holiday.jpg", data)).json()["results"]
    [expected] = detector.score_bytes([("a", data)])
    assert result["logit"] == pytest.approx(expected.logit, abs=1e-5)
    facts = result["facts"]
    assert facts["format"] == kind
    assert (facts["height"], facts["width"], facts["pictures"]) == (*PICTURE.shape[:2], 1)
    assert facts["transparent"] == 0


def colourful(height=75, width=62):
    coarse = np.random.default_rng(5).integers(0, 256, (9, 11, 3), np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC))


def test_prepare_predict_api_and_python_see_the_pixels_of_one_decoder(
    client, ask, encoded, detector, tmp_path
):
    """Pillow's for JPEG, WebP and AVIF; those of HEIC are compared in test_repeated_colour.py."""
    pytest.importorskip("pillow_heif").register_heif_opener()
    pytest.importorskip("pillow_jxl")
    halved = {"quality": 80, "subsampling": "4:2:0"}
    files = {
        "a.jpg": encoded(colourful(), "JPEG", **halved),
        "b.webp": encoded(colourful(), "WEBP", quality=80),
        "c.avif": encoded(colourful(), "AVIF", **halved),
        "d.heic": encoded(colourful(), "HEIF", quality=80, chroma=420),
        "e.jxl": encoded(colourful(), "JXL", quality=80),
    }
    folder = tmp_path / "in/camera/0_real"
    folder.mkdir(parents=True)
    for name, data in files.items():
        (folder / name).write_bytes(data)
    expected = {
        name: decode(data)
        if name == "d.heic"
        else np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
        for name, data in files.items()
    }
    logits = dict(zip(expected, detector.logits(expected.values()), strict=True))
    trees.prepare(tmp_path / "in", tmp_path / "out", storage="decoded", image_size=0)
    prepared = trees.records(PreparedDataset.load(tmp_path / "out"), "test")
    assert len(prepared) == len(files)
    for record in prepared:
        name = pathlib.Path(record.filename).name
        np.testing.assert_array_equal(image_array(record), expected[name])
    predict_files(detector, [str(folder)], str(tmp_path / "scores.csv"), confidence=0.75)
    with open(tmp_path / "scores.csv", newline="") as file:
        predicted = {pathlib.Path(row["path"]).name: row["score"] for row in csv.DictReader(file)}
    answers = ask(client, *files.items()).json()["results"]
    scored = detector.score([folder / name for name in files])
    for name, answer, result in zip(files, answers, scored, strict=True):
        assert answer["logit"] == pytest.approx(logits[name], abs=1e-5), name
        assert result.logit == pytest.approx(logits[name], abs=1e-5), name
        assert float(predicted[name]) == pytest.approx(result.score, abs=1e-5), name


def test_two_pictures_in_a_jpeg_are_a_jpeg(client, ask, encoded):
    second = Image.fromarray(np.zeros_like(PICTURE))
    data = encoded(PICTURE, "MPO", save_all=True, append_images=[second], quality=90)
    answers = ask(client, ("a.jpg", data), ("b.jpg", encoded(PICTURE, "JPEG", quality=90))).json()
    first, other = answers["results"]
    assert first["logit"] == pytest.approx(other["logit"], abs=1e-5)
    assert first["facts"]["format"] == "JPEG"


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"\0\0\0\x18ftypcrx \0\0\0\1crx isom", "a RAW file (Canon CR3)"),
        (b"\0\0\0\x18ftypisom\0\0\0\1isommp42", "a video"),
    ],
)
def test_what_is_not_read_is_refused_with_the_reason(data, words, client, ask):
    answer = ask(client, ("a.jpg", data + bytes(99)))
    assert answer.status_code == 415
    assert words in answer.json()["error"]


def test_a_picture_above_the_limit_is_told_the_flag(make_client, ask, encoded):
    answer = ask(make_client(max_pixels=1000), ("a.png", encoded(PICTURE)))
    assert answer.status_code == 413
    assert "--max_megapixels" in answer.json()["error"]
