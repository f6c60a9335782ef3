"""Parts of the page without a server: where files wait, pictures, the curve."""

import csv
import io
import re
import time
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from input_pipeline.provenance.trust_lists import official_trust_list
from npr_jax.detectors.calibration import GENERATED, PHOTOGRAPH, UNSURE
from npr_jax.inference.verdict import ImageScore
from npr_jax.serving.assessment import Assessment
from npr_jax.serving.delivery import delivery_point
from npr_jax.serving.file_report import report_file
from npr_jax.serving.limits import Busy, Limits, Refused
from npr_jax.serving.page import guard
from npr_jax.serving.page.batch import to_csv
from npr_jax.serving.page.jobs import Jobs
from npr_jax.serving.page.pending_files import PendingFiles, Writer
from npr_jax.serving.page.render import card, part, shown, uri
from npr_jax.serving.schema import MarkAnswer
from tests.input_pipeline.provenance.files import A1111, png
from tests.patience import PATIENCE

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture
def make_shelf():
    made = []

    def make(kept_seconds=60.0, **limits):
        made.append(PendingFiles(Limits(**limits), kept_seconds=kept_seconds))
        return made[-1]

    yield make
    for shelf in made:
        shelf.close()


def put(shelf, name, *chunks):
    with shelf.writer(name) as writer:
        for chunk in chunks:
            writer.write(chunk)
    return writer.token


def test_files_come_back_once_in_order_and_are_gone(make_shelf):
    shelf = make_shelf()
    tokens = [put(shelf, "../a/b.png", b"12", b"345"), put(shelf, "c.png", b"6")]
    assert list(shelf.take(tokens[::-1])) == [("c.png", b"6"), ("b.png", b"12345")]
    assert list(shelf.folder.iterdir()) == []
    with pytest.raises(Refused, match="choose them again"):
        next(shelf.take(tokens[:1]))


def test_what_is_not_come_to_is_deleted_too(make_shelf):
    shelf = make_shelf()
    files = shelf.take([put(shelf, f"{n}", b"x") for n in range(3)])
    assert next(files) == ("0", b"x")
    files.close()
    assert list(shelf.folder.iterdir()) == []


def test_one_missing_name_takes_nothing(make_shelf):
    shelf = make_shelf()
    token = put(shelf, "a", b"x")
    for tokens in ([token, "../../etc/passwd"], [token, token]):
        with pytest.raises(Refused):
            next(shelf.take(tokens))
    assert list(shelf.take([token])) == [("a", b"x")]


def test_too_large_files_leave_nothing_and_their_room_is_free_again(make_shelf):
    shelf = make_shelf(max_bytes=10, max_zip_bytes=20)
    for _ in range(20):
        with pytest.raises(Refused, match=r"a\.png is larger"):
            put(shelf, "a.png", b"1234567", b"1234")
    assert list(shelf.folder.iterdir()) == []
    assert put(shelf, "a.ZIP", bytes(20))
    with pytest.raises(Refused, match="larger"):
        put(shelf, "a.zip", bytes(21))


def test_four_batches_may_wait_and_old_files_make_room(make_shelf):
    shelf = make_shelf(max_bytes=10, max_zip_bytes=20)
    for _ in range(8):
        put(shelf, "a.png", bytes(10))
    with pytest.raises(Busy):
        put(shelf, "a.png", b"1")
    old = make_shelf(kept_seconds=0.0, max_bytes=10, max_zip_bytes=20)
    for _ in range(30):
        put(old, "a.png", bytes(10))
    assert len(list(old.folder.iterdir())) <= 1


def test_old_files_go_though_nobody_sends_another(make_shelf):
    shelf = make_shelf(kept_seconds=0.2)
    for _ in range(2):  # the second time, too
        token = put(shelf, "a.png", b"x")
        end = time.monotonic() + PATIENCE
        while list(shelf.folder.iterdir()) and time.monotonic() < end:
            time.sleep(0.05)
        assert list(shelf.folder.iterdir()) == []
        with pytest.raises(Refused, match="waited too long"):
            next(shelf.take([token]))


def test_empty_files_are_limited_by_their_number(make_shelf):
    shelf = make_shelf(max_files=20)
    for _ in range(80):
        put(shelf, "a.png")
    with pytest.raises(Busy):
        put(shelf, "a.png")


def test_what_could_not_be_written_takes_no_room(make_shelf, monkeypatch):
    shelf = make_shelf(max_bytes=10, max_zip_bytes=20)
    with monkeypatch.context() as full:
        full.setattr(Writer, "close", fails)  # the last bytes are written when a file is closed
        for _ in range(20):
            with pytest.raises(OSError, match="no space"):
                put(shelf, "a.png", bytes(9))
    assert list(shelf.folder.iterdir()) == []
    assert put(shelf, "a.png", bytes(10))


def fails(writer):
    writer._file.close()
    raise OSError("no space left")


def test_what_is_not_wanted_any_more_is_deleted(make_shelf):
    shelf = make_shelf()
    kept, token = put(shelf, "a", b"1"), put(shelf, "b", b"2")
    shelf.forget(token)
    shelf.forget("../../etc/passwd")
    assert len(list(shelf.folder.iterdir())) == 1
    assert list(shelf.take([kept])) == [("a", b"1")]


def test_a_later_run_stops_the_earlier_of_the_same_visitor_and_part():
    runs = Jobs()
    with runs.begin("me", "one") as first, runs.begin("you", "one") as other:
        with runs.begin("me", "one") as second:
            assert (first.is_set(), first.replaced) == (True, True)
            assert not second.is_set()
            runs.stop("me", "batch")
            assert not second.is_set()
            runs.stop("me")
            assert (second.is_set(), second.replaced) == (True, False)
        assert not other.is_set()


def test_reduced_residuals_keep_the_strongest_of_each_block():
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (1001, 1300, 3), np.uint8)
    small, times = shown(image)
    assert (times, small.shape) == (3, (334, 434, 3))
    for row, column in ((0, 0), (100, 200), (333, 433)):
        block = image[3 * row : 3 * row + 3, 3 * column : 3 * column + 3].reshape(-1, 3).astype(int)
        distance = np.abs(block - 128)
        assert (np.abs(small[row, column].astype(int) - 128) == distance.max(0)).all()
    same, once = shown(image[:640, :640])
    assert once == 1
    assert (same == image[:640, :640]).all()


def test_small_pictures_are_sent_exactly():
    import base64
    import io

    image = np.random.default_rng(1).integers(0, 256, (90, 120, 3), np.uint8)
    kind, data = uri(image).split(";base64,")
    assert kind == "data:image/png"
    assert (np.asarray(Image.open(io.BytesIO(base64.b64decode(data)))) == image).all()


def test_curve_has_a_mark_of_the_right_shape_at_the_right_height_for_each_score():
    points = [
        delivery_point("jpeg", 95, "JPEG 95", 1.0, GENERATED),
        delivery_point("jpeg", 80, "JPEG <80>", 0.0, PHOTOGRAPH),
        delivery_point("jpeg", 60, "JPEG 60", 0.5, UNSURE),
        delivery_point("jpeg", 40, "JPEG 40", problem="no time"),
        delivery_point("resize", 0.5, "resized to 50 %", 0.25, PHOTOGRAPH),
    ]
    panels = part("curve.html", "panels", points, 0.75)
    jpeg, resize = ElementTree.fromstring(f'<div xmlns="{SVG[1:-1]}">{panels}</div>')
    marks = jpeg.findall(f"{SVG}g")
    assert [mark.get("class") for mark in marks] == [
        "mark generated",
        "mark photograph",
        "mark unsure",
    ]
    assert "JPEG <80>: 0.00, Photograph" in marks[1].find(f"{SVG}title").text
    low = float(marks[1].find(f"{SVG}circle").get("cy"))
    middle = float(marks[2].find(f"{SVG}circle").get("cy"))
    top = float(re.match(r"M[\d.]+ ([\d.]+)", marks[0].find(f"{SVG}path").get("d"))[1]) + 5.5
    assert middle == pytest.approx((low + top) / 2, abs=0.1)
    came = float(jpeg.find(f"{SVG}line[@class='as-came']").get("y1"))
    assert came == pytest.approx(top + (low - top) / 4, abs=0.1)
    words = [text.text for text in jpeg.iter(f"{SVG}text")]
    for word in ("Saved again as JPEG", "JPEG quality", "score", "95", "40", "0", "1"):
        assert word in words
    assert "JPEG 40: not scored" in jpeg.get("aria-label")
    assert "50" in [text.text for text in resize.iter(f"{SVG}text")]


def test_the_page_loses_outside_addresses_and_only_its_own_scripts_may_run():
    page = (
        '<head><meta property="og:url" content="https://gradio.app/" />'
        '<meta name="twitter:image" content="https://x.example/a.jpg" />'
        '<link rel="manifest" href="/manifest.json" /></head><script>1</script>'
        '<script>const root = "http://127.0.0.1:7860";</script>'
    )
    new = guard.rewritten(page, "abc", "<link href='mine'>")
    assert "http" not in new
    assert "manifest" not in new
    assert "<link href='mine'></head>" in new
    assert '<script nonce="abc">1</script>' in new


def test_a_card_says_what_a_calibrated_score_holds_for():
    """For the set of pictures it was fitted to, which need not be like the training images."""
    found = Assessment("a.png", "00", ImageScore("a.png", 0.75, UNSURE, ""), UNSURE, "")
    shown = card(found, {"calibration": "calibrated (temperature 2, bias 0.5)"})
    assert "too sure about pictures of other kinds" in shown
    assert "too high where fewer of them are generated than in that set" in shown
    assert "like those the detector was trained on" not in shown


def test_the_saved_table_has_what_predict_has_of_each_file():
    data = png(parameters=A1111)
    facts = report_file(
        data, official_trust_list(), MarkAnswer(program="Stable Diffusion 1", p_value=1.7e-40)
    )
    results = [ImageScore("a.png", 0.75, UNSURE, ""), ImageScore("b.png", None, "", "empty file")]
    found = [Assessment("a.png", "00", results[0], UNSURE, "", facts)]
    found.append(Assessment("b.png", "", results[1], "", ""))
    scored, refused = csv.DictReader(io.StringIO(to_csv(found).removeprefix("\ufeff")))
    assert (scored["file"], scored["score"], scored["format"]) == ("a.png", "0.750000", "PNG")
    assert scored["source"] == "generated"
    assert scored["generator"].startswith("a Stable Diffusion program")
    assert (scored["mark"], scored["mark_p_value"]) == ("Stable Diffusion 1", "1.7e-40")
    assert (refused["error"], refused["source"], refused["mark"]) == ("empty file", "", "")
