"""How a verdict holds up: the deliveries themselves, the rule, and the time they may take."""

import io

import numpy as np
import pytest
from PIL import Image

import npr_jax
from npr_jax.inference.verdict import ImageScore
from npr_jax.serving import delivery
from npr_jax.serving.delivery import delivery_point, held_up
from npr_jax.serving.limits import Deadline
from tests import runs

PICTURE = runs.picture(0, False, side=90)[:71]


def saved(kind, quality):
    buffer = io.BytesIO()
    Image.fromarray(PICTURE).save(buffer, kind, quality=quality)
    return np.asarray(Image.open(buffer).convert("RGB"))


def test_each_delivery_is_what_pillow_makes_of_the_picture():
    arrived = {point.label: delivery.delivered(PICTURE, point) for point in delivery.points()}
    np.testing.assert_array_equal(arrived["JPEG 40"], saved("JPEG", 40))
    np.testing.assert_array_equal(arrived["WebP 80"], saved("WEBP", 80))
    smaller = Image.fromarray(PICTURE).resize((45, 36), Image.Resampling.BICUBIC)
    np.testing.assert_array_equal(arrived["resized to 50 %"], np.asarray(smaller))
    assert arrived["resized to 200 %"].shape == (142, 180, 3)


def tried(**verdicts):
    """The points with these verdicts, by label with underscores; photograph for all others."""
    named = {label.replace("_", " "): verdict for label, verdict in verdicts.items()}
    labels = {point.label for point in delivery.points()}
    assert set(named) <= labels
    return [
        point.model_copy(update={"score": 0.5, "verdict": named.get(point.label, "photograph")})
        for point in delivery.points()
    ]


@pytest.mark.parametrize("label", ["JPEG 95", "JPEG 40", "WebP 80", "resized to 75 %"])
def test_a_verdict_that_flips_is_unsure(label):
    verdict, reason = held_up("photograph", tried(**{label: "generated"}))
    assert verdict == "unsure"
    assert (
        f"called a photograph, but it would be called made by a generator once sent on ({label})"
        in reason
    )


def test_a_generated_picture_that_flips_is_unsure():
    verdict, reason = held_up("generated", tried())
    assert verdict == "unsure"
    assert "JPEG 95" in reason
    assert "8 more" in reason, "12 of the 15 count, 4 are named"


def test_a_verdict_that_becomes_unsure_stays():
    verdict, reason = held_up("photograph", tried(**{"JPEG 50": "unsure", "JPEG 40": "unsure"}))
    assert verdict == "photograph"
    assert "becomes unsure when the picture is sent on as JPEG 50, JPEG 40." in reason


def test_an_enlarged_picture_does_not_count():
    verdict, reason = held_up("photograph", tried(**{"resized to 200 %": "generated"}))
    assert verdict == "photograph"
    assert "resized to 200 %" in reason
    assert "does not count" in reason


def test_a_verdict_that_holds():
    assert held_up("photograph", tried()) == (
        "photograph",
        "The verdict stays the same under all 15 ways of sending the picture on.",
    )
    assert held_up("unsure", tried())[0] == "unsure"


def test_nothing_tried_changes_nothing():
    assert held_up("generated", delivery.points()) == ("generated", "")


def scorer(images):
    return [ImageScore("", float(image.mean()) / 255, "unsure", "") for image in images]


def test_points_come_in_order_with_their_own_scores():
    points = delivery.deliver(PICTURE, scorer, Deadline(100))
    assert [point.label for point in points] == [point.label for point in delivery.points()]
    for point in points:
        expected = delivery.delivered(PICTURE, point).mean() / 255
        assert point.score == pytest.approx(expected, abs=1e-12)
        assert point.problem == ""


def test_points_that_time_does_not_allow_say_so():
    class Clock(Deadline):
        """Time passes with each score."""

        spent = 0.0

    clock = Clock(10)
    large = np.zeros((900, 900, 3), np.uint8)

    def slow(images):
        clock.spent += 3.0
        return scorer(images)

    points = delivery.deliver(large, slow, clock)
    done = [point for point in points if point.score is not None]
    assert {point.family for point in done} == {"jpeg", "webp", "resize"}, "families take turns"
    assert len(done) < len(points)
    assert clock.spent < 12
    assert all("time" in point.problem for point in points if point.score is None)


def test_a_picture_too_large_for_a_format():
    wide = np.zeros((32, 17_000, 3), np.uint8)
    points = delivery.deliver(wide, scorer, Deadline(100))
    problems = {point.family for point in points if point.problem}
    assert problems == {"webp"}
    assert "at most 16383" in next(p.problem for p in points if p.problem)


def test_the_note_tells_what_cannot_be_scored_from_what_time_did_not_allow():
    class Clock(Deadline):
        """Time passes with each score."""

        spent = 0.0

    clock = Clock(10)

    def slow(images):
        clock.spent += 3.0
        return scorer(images)

    wide = np.zeros((32, 17_000, 3), np.uint8)  # WebP holds at most 16,383 pixels a side
    points = delivery.deliver(wide, slow, clock)
    late, unusable = delivery.not_scored(points).split(". ", 1)
    assert late == "Only 3 of 15 ways of sending it on were tried in the time there was"
    assert unusable.startswith(
        "1 of 15 ways of sending it on could not be scored: WebP 80 (an image of 32 x 17000 pixels"
    )
    whole = delivery.deliver(wide, scorer, Deadline(100))
    assert delivery.not_scored(whole).startswith(
        "3 of 15 ways of sending it on could not be scored: WebP 90, WebP 80, WebP 50 (an image"
    )


def test_the_note_of_a_tiny_picture_blames_its_size(client, ask, encoded):
    tiny = encoded(runs.picture(1, False, side=32))
    [result] = ask(client, ("a.png", tiny), query="?delivery=1").json()["results"]
    assert result["delivery_note"] == (
        "2 of 15 ways of sending it on could not be scored: "
        "resized to 50 % (too small: 16x16 pixels, at least 32x32 needed); "
        "resized to 75 % (too small: 24x24 pixels, at least 32x32 needed)."
    )


class Scripted(npr_jax.Detector):
    """Says generated of pictures that were not re-saved, which are the only with this pixel."""

    def iter_logits(self, images):
        for scored, image in zip(super().iter_logits(images := list(images)), images, strict=True):
            marked = tuple(image[0, 0]) == (1, 2, 3)
            yield scored._replace(logit=9.0 if marked else -9.0)


def test_the_answer_of_a_picture_that_flips(detector, make_client, ask, encoded):
    pixels = runs.picture(1, False)
    pixels[0, 0] = (1, 2, 3)
    scripted = Scripted(detector.model, source="test")
    answer = ask(make_client(scripted), ("a.png", encoded(pixels)), query="?delivery=1").json()
    [result] = answer["results"]
    assert result["detector_verdict"] == "generated"
    assert result["score"] > 0.99, "as predict says"
    assert result["verdict"] == "unsure"
    assert "once sent on (JPEG 95" in result["reason"]
    assert len(result["delivery"]) == 15


def test_the_curve_is_that_of_files_that_were_sent_on(client, detector, ask, encoded, tmp_path):
    """A point's score is what ``predict`` says of the file that a platform would have made."""
    pixels = runs.picture(2, True, side=100)
    [result] = ask(client, ("a.png", encoded(pixels)), query="?delivery=1").json()["results"]
    (tmp_path / "sent.jpg").write_bytes(encoded(pixels, "JPEG", quality=60))
    [expected] = detector.score([tmp_path / "sent.jpg"])
    scores = {point["label"]: point["score"] for point in result["delivery"]}
    assert scores["JPEG 60"] == pytest.approx(expected.score, abs=1e-6)


def test_points_know_whether_they_count():
    counting = [point.label for point in delivery.points() if point.counts]
    assert len(counting) == 12
    assert not delivery_point("resize", 1.25, "").counts
