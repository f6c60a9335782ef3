"""The tab for many files: table, sorting, CSV, zip files, cancelling."""

import csv
import io
import re
import stat
import zipfile

import numpy as np
import pytest

from tests import runs
from tests.serving.page.pictures import encoded, pixels, write, write_zip

pytestmark = pytest.mark.slow
ROWS = "[...document.querySelectorAll('#batch-result tbody tr')]"
SCORES = f"{ROWS}.map(r => r.querySelector('data')).map(d => d && Number(d.value))"


def table(tab, column=0):
    return tab.ask(f"{ROWS}.map(r => r.cells[{column}].innerText)")


def give(tab, *paths):
    tab.page.set_input_files("#batch-zone input", [str(path) for path in paths])
    tab.until(f"{ROWS}.length && !document.querySelector('#batch-result .working')")


def saved(tab):
    with tab.page.expect_download() as download:
        tab.page.get_by_role("link", name="Save the table").press("Enter")
    assert download.value.suggested_filename == "scores.csv"
    data = download.value.path().read_bytes()
    assert data.startswith(b"\xef\xbb\xbffile,"), "Excel takes it for UTF-8"
    text = data.decode("utf-8-sig")
    return list(csv.DictReader(io.StringIO(text, newline="")))


@pytest.fixture
def batch(page_server, visit):
    tab = visit(page_server, accept_downloads=True)
    tab.open("Many files", "batch")
    return tab


def test_table_and_csv_say_what_predict_says(batch, trained, tmp_path):
    paths = [write(tmp_path / f"{n}.png", pixels(40 + n, 64 + n, 80)) for n in range(5)]
    paths.append(tmp_path / "broken.png")
    paths[-1].write_bytes(encoded(pixels(50))[:900])
    arguments = (f"--workdir={trained.workdir}", *paths, f"--output={tmp_path / 'out.csv'}")
    runs.main("predict", *arguments, status=1)  # as of one file there is no score
    with (tmp_path / "out.csv").open(newline="") as file:
        expected = list(csv.DictReader(file))
    give(batch, *paths)
    assert table(batch) == [path.name for path in paths]
    rows = saved(batch)
    for row, wanted, path in zip(rows, expected, paths, strict=True):
        assert row["file"] == path.name
        assert row["verdict"] == wanted["verdict"]
        if wanted["score"]:
            assert float(row["score"]) == pytest.approx(float(wanted["score"]), abs=1e-5)
            assert row["height"], row["width"] == map(str, pixels(40).shape[:2])
        assert bool(row["error"]) == bool(wanted["error"])
    shown = batch.ask(SCORES)
    assert shown[:5] == pytest.approx([float(w["score"]) for w in expected[:5]], abs=1e-5)
    assert shown[5] is None


def test_columns_are_sorted_by_mouse_and_keyboard_what_has_no_score_last(batch, tmp_path):
    paths = [write(tmp_path / f"{n}.png", pixels(60 + n)) for n in range(4)]
    (tmp_path / "0-broken.png").write_bytes(b"no picture")
    give(batch, tmp_path / "0-broken.png", *paths)
    before = batch.ask(SCORES)[1:]
    heads = batch.page.locator("#batch-result thead button")
    assert heads.count() == 5
    heads.nth(1).click()
    batch.becomes(SCORES, [*sorted(before), None])
    heads.nth(1).press("Enter")
    batch.becomes(SCORES, [*sorted(before, reverse=True), None])
    state = "document.querySelectorAll('#batch-result thead th')[1].ariaSort"
    assert batch.ask(state) == "descending"
    heads.nth(0).press("Space")
    names = ["0-broken.png", "0.png", "1.png", "2.png", "3.png"]
    batch.becomes(f"{ROWS}.map(r => r.cells[0].innerText)", names)


def test_zip_files_are_opened_and_their_bad_members_named(batch, scores_of, tmp_path):
    good = write(tmp_path / "good.png", pixels(70))
    link = zipfile.ZipInfo("link.png")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    path = write_zip(
        tmp_path / "mixed.zip",
        {
            "folder/good.png": good.read_bytes(),
            "../../../../etc/up.png": good.read_bytes(),
            "=1+1.jpg": b"no picture",
            "folder/caption.txt": b"words",
            link: b"/etc/passwd",
        },
    )
    give(batch, path)
    assert table(batch) == ["folder/good.png", "etc/up.png", "=1+1.jpg", "link.png"]
    said = batch.ask("document.querySelector('#batch-result .left-out').textContent")
    assert said == "1 companion file left out: folder/caption.txt"
    [expected] = scores_of(good)
    assert batch.ask(SCORES) == [
        *[pytest.approx(expected.score, abs=1e-5)] * 2,
        None,
        None,
    ]
    assert "root:" not in batch.ask("document.body.innerText")
    rows = saved(batch)
    assert rows[2]["file"] == "'=1+1.jpg"  # no spreadsheet shall take it for a formula


@pytest.mark.parametrize(
    ("members", "words"),
    [
        (lambda: {"big.bin": bytes(30_000_000)}, "2 MB"),
        (lambda: {f"{n}.bin": bytes(1_900_000) for n in range(12)}, "20 MB"),
        (lambda: {f"{n}.png": b"x" for n in range(151)}, "150 files"),
    ],
    ids=["one file too large", "too large together", "too many"],
)
def test_zip_files_beyond_the_limits_are_refused_in_words(batch, tmp_path, members, words):
    path = tmp_path / "bomb.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members().items():
            archive.writestr(name, data)
    batch.page.set_input_files("#batch-zone input", str(path))
    batch.until("document.querySelector('#batch-result .problem, #batch-result .error')")
    assert words in batch.ask("document.querySelector('#batch-result').innerText")


def test_a_damaged_zip_file_is_said_to_be_damaged(batch, tmp_path):
    path = write_zip(tmp_path / "bad.zip", {"a.png": encoded(pixels(71))})
    path.write_bytes(path.read_bytes()[:400])
    batch.page.set_input_files("#batch-zone input", str(path))
    batch.until("document.querySelector('#batch-result .problem')")
    assert "damaged zip file" in batch.problems("batch")[0]


def test_a_batch_can_be_cancelled_and_what_is_known_stays(batch, page_server, tmp_path):
    # Quickly sent and slowly scored: it is not done before somebody presses a key.
    large = np.repeat(np.repeat(pixels(72), 12, 0), 12, 1)
    assert large.shape[0] * large.shape[1] > 1.5e6
    paths = [tmp_path / f"{n:03d}.jpg" for n in range(120)]
    data = encoded(large, "JPEG")
    for path in paths:
        path.write_bytes(data)
    assert not batch.page.locator("#batch-cancel").is_visible()
    batch.page.set_input_files("#batch-zone input", [str(path) for path in paths])
    batch.until("/^[1-9]/.test(document.querySelector('#batch-result .working p')?.innerText)")
    bar = batch.ask(
        "(b => [b.value, b.max])(document.querySelector('#batch-result .working progress'))"
    )
    assert 0 < bar[0] < bar[1] == 120
    batch.screenshot("many-files-running")
    batch.page.get_by_role("button", name="Cancel").press("Enter")
    batch.until("!document.querySelector('#batch-result .working')")
    [said] = batch.problems("batch")
    count = int(re.search(r"Cancelled after (\d+) files", said)[1])
    assert 0 < count < 120
    assert len(table(batch)) == count
    assert page_server.private_files() == []
    batch.screenshot("many-files-cancelled")


def test_one_file_that_cannot_be_sent_leaves_the_others_alone(batch, tmp_path):
    paths = [write(tmp_path / f"{n}.png", pixels(80 + n)) for n in range(3)]

    def answer(route):
        if "name=1.png" in route.request.url:
            return route.fulfill(status=503, json={"error": "The server is busy."})
        return route.continue_()

    batch.page.route("**/page/upload?*", answer)
    give(batch, *paths)
    assert table(batch) == ["0.png", "2.png"]
    assert batch.problems("batch") == ["The server is busy."]
    batch.troubles.clear()  # the browser's console tells of the 503, as it should


def test_sending_can_be_cancelled_and_nothing_waits_on_the_server(batch, page_server, tmp_path):
    paths = [write(tmp_path / f"{n}.png", pixels(85 + n)) for n in range(4)]
    assert page_server.private_files() == []
    batch.page.route(
        "**/page/upload?*",
        # The third one's answer never comes.
        lambda route: None if "name=2.png" in route.request.url else route.continue_(),
    )
    batch.page.set_input_files("#batch-zone input", [str(path) for path in paths])
    batch.until("document.querySelector('#batch-zone .sending').innerText.includes('3 of 4')")
    assert len(page_server.private_files()) == 2
    batch.page.get_by_role("button", name="Cancel").press("Enter")
    batch.until("document.querySelector('#batch-zone .sending').hidden")
    assert batch.problems("batch") == ["Cancelled while the files were sent."]
    page_server.until_nothing_waits()
    assert not batch.page.get_by_role("button", name="Cancel").is_visible()
