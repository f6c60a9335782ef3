"""Files that phones and cameras make, sent to the API: scored as by ``predict``, or why not."""

import numpy as np
import pytest
from PIL import Image

from tests import runs

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
