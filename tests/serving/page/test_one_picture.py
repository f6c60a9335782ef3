"""The tab for single pictures: what is given, in whatever way, and what is said of it."""

import base64
import hashlib
import re

import numpy as np
import pytest
from PIL import Image

from tests.serving.page.pictures import encoded, pixels, write, write_zip

pytestmark = pytest.mark.slow


def check_cards(tab, part, paths, scores_of):
    """Every file has a card with its name, its hash and the detector's own score."""
    cards = tab.cards(part)
    assert [card["name"] for card in cards] == [path.name for path in paths]
    for card, path, expected in zip(cards, paths, scores_of(*paths), strict=True):
        assert card["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
        assert card["score"] == pytest.approx(expected.score, abs=1e-5)
        own = card["own"].split()[-1].lower() if card["own"] else card["verdict"]
        assert own == expected.verdict


def test_every_kind_of_file_gets_its_score(page_server, visit, scores_of, tmp_path):
    grey, alpha = pixels(5).mean(-1).astype(np.uint8), np.dstack([pixels(6), pixels(7)[..., 0]])
    paths = [
        write(tmp_path / "a.png", pixels(2)),
        write(tmp_path / "b.jpg", pixels(3), quality=83),
        write(tmp_path / "odd.webp", pixels(4, 97, 131), quality=90),
        write(tmp_path / "grey.jpg", grey),
        write(tmp_path / "alpha.png", alpha),
        write(tmp_path / "large-odd.jpg", pixels(8, 701, 903), quality=95),
    ]
    tab = visit(page_server)
    tab.give("one", *paths, cards=len(paths))
    check_cards(tab, "one", paths, scores_of)
    tab.screenshot("one-picture-kinds-of-files")
    assert page_server.private_files() == []  # each was deleted when it was read


def test_a_card_says_everything(page_server, visit, tmp_path):
    path = write(tmp_path / "quality.jpg", pixels(9, 128, 160), quality=72)
    tab = visit(page_server, viewport={"width": 1280, "height": 900})
    tab.give("one", path)
    [card] = tab.cards("one")
    for words in (
        "160 × 128 pixels",
        "72 of 100",
        "4:2:0",
        "The file does not say how this picture was made.",
        "What this detector cannot tell",
        "JPEG",
        "Heat map over the picture",
        "speaks for a photograph",
        "Residual, copy at 50 % of the size",
        "looks at one scale only",
    ):
        assert words in card["words"]
    shapes = {"generated": "◆ Looks generated", "photograph": "● Looks like a photograph"}
    assert re.sub(r"\s+", " ", card["badge"]) == shapes.get(card["verdict"], "? Unsure")
    # Every image is there, and drawn.
    sizes = tab.ask(
        "[...document.querySelectorAll('.tiles img')].map(i => [i.naturalWidth, i.alt])"
    )
    assert [width for width, _ in sizes] == [160, 160, 160]
    tab.page.get_by_text("The numbers").click()
    rows = tab.ask(
        "[...document.querySelectorAll('.delivery tbody tr')].map(r => r.innerText.split('\\t'))"
    )
    assert [row[0] for row in rows[:3]] == ["JPEG 95", "JPEG 90", "JPEG 80"]
    marks = tab.ask("[...document.querySelectorAll('.curve .mark title')].map(t => t.textContent)")
    assert len(marks) == len(rows)
    assert f"{float(rows[0][1]):.2f}" in marks[0]
    tab.page.get_by_text("How this was computed").click()
    made = tab.ask("document.querySelector('.made').innerText")
    assert re.search(r"checkpoint\s+[0-9a-f]{64}", made)
    assert re.search(r"version\s+\d+\.\d+", made)
    assert "preprocessing" in made


def test_delivery_is_what_saving_again_gives(page_server, visit, scores_of, tmp_path):
    image = pixels(10, 120, 90)
    path = write(tmp_path / "sent.png", image)
    again = {
        "JPEG 80": write(tmp_path / "80.jpg", image, quality=80),
        "JPEG 40": write(tmp_path / "40.jpg", image, quality=40),
        "WebP 80": write(tmp_path / "80.webp", image, quality=80),
    }
    tab = visit(page_server)
    tab.give("one", path)
    shown = dict(
        tab.ask(
            """[...document.querySelectorAll('.delivery tbody tr')].map(
            r => [r.cells[0].textContent, Number(r.querySelector('data').value)])"""
        )
    )
    for label, result in zip(again, scores_of(*again.values()), strict=True):
        assert shown[label] == pytest.approx(result.score, abs=1e-5)


def test_what_cannot_be_examined_is_said_in_a_sentence_and_the_rest_goes_on(
    page_server, visit, scores_of, tmp_path
):
    whole = encoded(pixels(11))
    (tmp_path / "broken.png").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "text.txt").write_text("no picture")
    (tmp_path / "empty.png").touch()
    write(tmp_path / "small.png", pixels(12, 20, 20))
    flat = np.zeros((2000, 2000, 3), np.uint8)
    write(tmp_path / "many-pixels.png", flat)
    noise = np.random.default_rng(0).integers(0, 256, (900, 900, 3), np.uint8)
    write(tmp_path / "many-bytes.png", noise)
    write_zip(tmp_path / "files.zip", {"a.png": whole})
    good = write(tmp_path / "good.png", pixels(13))
    names = ("broken.png", "text.txt", "empty.png", "small.png", "many-pixels.png")
    names += ("many-bytes.png", "files.zip")
    tab = visit(page_server)
    tab.page.set_input_files(
        "#one-zone input", [*(str(tmp_path / name) for name in names), str(good)]
    )
    tab.until("document.querySelector('#one-result .card[data-sha256]')")
    tab.done("one", 6)
    check_cards(tab, "one", [good], scores_of)
    said = tab.problems("one")
    expected = {
        "broken.png": "damaged",
        "text.txt": "not an image",
        "empty.png": "empty",
        "small.png": "too small",
        "many-pixels.png": "4.0 million; at most 3 million",
        "many-bytes.png": "at most 2 MB",
        "files.zip": "Many files",
    }
    for name, words in expected.items():
        assert any(name in sentence and words in sentence for sentence in said), (name, said)
    assert len(said) == len(expected)
    tab.screenshot("one-picture-problems")


def test_names_and_metadata_with_markup_are_shown_and_do_nothing(page_server, visit, tmp_path):
    markup = "<img src=x onerror='window.ran=1'>"
    exif = Image.Exif()
    exif[0x0131] = f"Stable Diffusion {markup}<script>window.ran=2</script>"
    exif[0x010F] = "<svg onload='window.ran=3'>"
    path = write(tmp_path / f"{markup}.jpg".replace("/", ""), pixels(14), exif=exif.tobytes())
    tab = visit(page_server)
    tab.give("one", path)
    tab.page.wait_for_timeout(500)
    [card] = tab.cards("one")
    assert card["name"] == path.name
    assert "The file itself says that Stable Diffusion made this picture." in card["words"]
    assert exif[0x0131] in card["words"]
    assert exif[0x010F] in card["words"]
    assert tab.ask("window.ran") is None
    assert tab.ask("document.querySelectorAll('.card script, .card [onerror]').length") == 0


def test_pasting_and_dropping_take_the_bytes_as_they_are(page_server, visit, scores_of, tmp_path):
    paths = [
        write(tmp_path / f"{way}.jpg", pixels(15 + i)) for i, way in enumerate(["paste", "drop"])
    ]
    tab = visit(page_server)
    for kind, path in zip(("paste", "drop"), paths, strict=True):
        tab.ask(
            """([kind, name, data]) => {
                const bytes = Uint8Array.from(atob(data), c => c.charCodeAt(0));
                const transfer = new DataTransfer();
                transfer.items.add(new File([bytes], name, { type: 'image/jpeg' }));
                const how = { bubbles: true, cancelable: true };
                if (kind === 'paste') {
                    how.clipboardData = transfer;
                    document.dispatchEvent(new ClipboardEvent('paste', how));
                } else {
                    how.dataTransfer = transfer;
                    const zone = document.querySelector('#one-zone .drop');
                    zone.dispatchEvent(new DragEvent('drop', how));
                }
            }""",
            [kind, path.name, base64.b64encode(path.read_bytes()).decode()],
        )
        tab.until(
            f"[...document.querySelectorAll('.name')].some(n => n.innerText === '{path.name}')"
        )
        tab.done("one")
        check_cards(tab, "one", [path], scores_of)


def test_a_picture_copied_in_a_browser_is_pasted_with_a_warning(page_server, visit, tmp_path):
    tab = visit(page_server)
    tab.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    tab.ask(
        """async data => {
            const bytes = Uint8Array.from(atob(data), c => c.charCodeAt(0));
            const blob = new Blob([bytes], { type: 'image/png' });
            await navigator.clipboard.write([new ClipboardItem({ 'image/png': blob })]);
        }""",
        base64.b64encode(encoded(pixels(17))).decode(),
    )
    tab.page.keyboard.press("Control+V")
    tab.until("document.querySelector('#one-result .card[data-sha256]')")
    [card] = tab.cards("one")
    assert card["name"] == "pasted-picture.png"
    assert "This picture was pasted" in card["words"]
    assert "112 × 96 pixels" in card["words"]


def test_examples_take_the_same_way(page_server, visit, scores_of, tmp_path):
    tab = visit(page_server)
    examples = tab.page.locator(".example")
    assert examples.count() >= 4
    name = examples.nth(2).get_attribute("data-name")
    examples.nth(2).press("Enter")
    tab.done("one")
    path = tmp_path / name
    path.write_bytes(tab.page.request.get(f"{page_server.address}page/examples/2.png").body())
    check_cards(tab, "one", [path], scores_of)


def test_a_later_picture_takes_the_place_of_one_being_examined(page_server, visit, tmp_path):
    slow = [write(tmp_path / f"slow-{n}.png", pixels(20 + n, 800, 800)) for n in range(10)]
    late = write(tmp_path / "late.png", pixels(30))
    tab = visit(page_server)
    tab.page.set_input_files("#one-zone input", [str(path) for path in slow])
    tab.until("document.querySelector('#one-result .working')")
    tab.page.set_input_files("#one-zone input", str(late))
    tab.until("[...document.querySelectorAll('.name')].some(n => n.innerText === 'late.png')")
    tab.page.wait_for_timeout(3000)
    assert [card["name"] for card in tab.cards("one")] == ["late.png"]
    assert page_server.private_files() == []
