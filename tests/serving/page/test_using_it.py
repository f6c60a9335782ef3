"""Side by side, keyboard only, phones, themes, and what is said when the server is busy or gone."""

import contextlib
import socket

import httpx
import numpy as np
import pytest

from tests.patience import PATIENCE, becomes
from tests.serving.page.pictures import encoded, pixels, write
from tests.serving.page.running import RunningServer

pytestmark = pytest.mark.slow
PHONE = {"width": 390, "height": 844}
OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


def test_two_pictures_side_by_side(page_server, visit, scores_of, tmp_path):
    left = write(tmp_path / "left.png", pixels(80))
    right = write(tmp_path / "right.jpg", pixels(81), quality=60)
    tab = visit(page_server)
    tab.open("Side by side", "left")
    tab.give("left", left)
    assert not tab.ask("!!document.querySelector('.summary')")
    tab.give("right", right)
    tab.until("document.querySelector('.summary')")
    cells = tab.ask(
        "[...document.querySelectorAll('.summary tr')].map(r => [...r.cells].map(c => c.innerText))"
    )
    assert cells[0][1:] == ["left.png", "right.jpg"]
    rows = {row[0]: row[1:] for row in cells[1:]}
    assert rows["Score"] == [f"{found.score:.4f}" for found in scores_of(left, right)]
    assert rows["Format"] == ["PNG", "JPEG"]
    assert rows["JPEG quality"] == ["–", "60 of 100 (exactly the table of libjpeg, quality 60)"]
    sides = [
        tab.ask(f"document.querySelector('#{s}-result').getBoundingClientRect().x")
        for s in ("left", "right")
    ]
    assert sides[1] > sides[0] + 300
    tab.screenshot("side-by-side")
    tab.give("right", left)
    tab.until("document.querySelector('.summary p').innerText.includes('byte for byte')")


def test_keyboard_alone_reaches_and_uses_everything(page_server, visit, tmp_path):
    path = write(tmp_path / "typed.png", pixels(82))
    tab = visit(page_server)
    reached, choosers = [], []
    chosen = False
    # Long before: the browser has to be told of it.
    tab.page.on("filechooser", lambda chooser: choosers.append(chooser))
    for _ in range(40):
        tab.tab_on()
        reached.append(
            tab.ask(
                """(e => [e.tagName + (e.type ? ':' + e.type : ''), e.innerText || '', (() => {
                    const box = e.closest('.drop') || e;
                    return getComputedStyle(box).outlineStyle !== 'none'
                        && parseFloat(getComputedStyle(box).outlineWidth) >= 2;
                })()])(document.activeElement)"""
            )
        )
        if reached[-1][0] == "INPUT:file" and not chosen:
            tab.page.keyboard.press("Enter")
            becomes(tab.page, lambda: len(choosers), 1)
            choosers[0].set_files(str(path))
            tab.done("one")
            chosen = True
        if "How this was computed" in reached[-1][1]:
            break
    kinds = [kind for kind, _, _ in reached]
    words = [text.strip() for _, text, _ in reached]
    assert words[0] in ("Dark theme", "Light theme")
    order = [kinds.index("INPUT:file"), words.index("Examples to try"), words.index("Photograph 1")]
    assert order == sorted(order)
    assert any("The numbers" in text for text in words)
    assert all(visible for kind, _, visible in reached if kind != "BODY"), reached
    tab.page.keyboard.press("Enter")
    tab.until("document.querySelector('.made').closest('details').open")
    tab.page.get_by_role("tab", name="One picture").focus()
    tab.page.keyboard.press("Tab")
    tab.page.keyboard.press("Enter")
    tab.until("document.querySelector('#batch-zone input')?.offsetParent")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_shows_all_without_scrolling_sideways(page_server, visit, tmp_path, scheme):
    path = write(tmp_path / ("a-very-long-name-" * 6 + ".jpg"), pixels(83, 300, 200))
    tab = visit(page_server, viewport=PHONE, color_scheme=scheme, has_touch=True)
    assert tab.ask(OVERFLOW) <= 0
    tab.give("one", path)
    tab.ask("document.querySelectorAll('details').forEach(part => { part.open = true; })")
    assert tab.ask(OVERFLOW) <= 0
    tab.screenshot(f"phone-one-picture-{scheme}")
    tab.open("Many files", "batch")
    tab.page.set_input_files("#batch-zone input", str(path))
    tab.until("document.querySelector('#batch-result tbody tr')")
    assert tab.ask(OVERFLOW) <= 0
    tab.screenshot(f"phone-many-files-{scheme}")
    tab.open("Side by side", "left")
    assert tab.ask(OVERFLOW) <= 0
    boxes = tab.ask(
        "['left', 'right'].map(s => document.querySelector(`#${s}-zone`).getBoundingClientRect().x)"
    )
    assert boxes[0] == boxes[1]  # one above the other
    tab.screenshot(f"phone-side-by-side-{scheme}")


def test_theme_follows_the_system_until_the_button_is_used(page_server, visit):
    tab = visit(page_server, color_scheme="dark")
    ground = "getComputedStyle(document.querySelector('gradio-app')).backgroundColor"
    tab.until("document.querySelector('#theme').innerText === 'Light theme'")
    dark = tab.ask(ground)
    tab.page.locator("#theme").press("Enter")
    tab.until("document.querySelector('#theme').innerText === 'Dark theme'")
    light = tab.ask(ground)
    assert [sum(map(int, c[4:-1].split(","))) > 600 for c in (dark, light)] == [False, True]
    tab.page.reload()
    tab.until("document.querySelector('#theme')?.innerText === 'Dark theme'")
    assert tab.ask(ground) == light


def contrast(colours):
    """WCAG's ratio of two colours as browsers write them."""
    levels = []
    for colour in colours:
        rgb = np.array([float(v) for v in colour[colour.index("(") + 1 : -1].split(",")[:3]]) / 255
        linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
        levels.append(linear @ [0.2126, 0.7152, 0.0722] + 0.05)
    return max(levels) / min(levels)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_verdicts_and_small_print_can_be_read(page_server, visit, tmp_path, scheme):
    tab = visit(page_server, color_scheme=scheme)
    tab.give("one", write(tmp_path / "read.png", pixels(84)))
    for kind in ("photograph", "generated", "unsure"):
        tab.ask(
            """kind => { for (const e of document.querySelectorAll('.badge, .mini')) {
                e.classList.remove('photograph', 'generated', 'unsure'); e.classList.add(kind);
            } }""",
            kind,
        )
        style = "getComputedStyle(document.querySelector('.badge'))"
        badge = tab.ask(f"[{style}.color, {style}.backgroundColor]")
        card = "getComputedStyle(document.querySelector('.card')).backgroundColor"
        mini = "getComputedStyle(document.querySelector('.mini')).color"
        assert contrast(badge) >= 3.0  # large and bold
        assert contrast(tab.ask(f"[{mini}, {card}]")) >= 4.5
    soft = "getComputedStyle(document.querySelector('.card .soft')).color"
    assert contrast(tab.ask(f"[{soft}, {card}]")) >= 4.5


def test_a_busy_server_says_so_and_answers_later(page_server, visit, tmp_path):
    path = write(tmp_path / "patient.png", pixels(85))
    large = encoded(pixels(86, 800, 700), "JPEG")
    # As many as one request may have looked at closely; they take turns with the others', so that
    # no request ends before most of all fifty are done.
    files = [("files", (f"{n}.jpg", large)) for n in range(10)]
    ask = httpx.Request("POST", f"{page_server.address}api/v1/score?delivery=true", files=files)
    head = f"POST {ask.url.raw_path.decode()} HTTP/1.1\r\n"
    head += "".join(f"{name}: {value}\r\n" for name, value in ask.headers.items())
    tab = visit(page_server)
    with contextlib.ExitStack() as others, httpx.Client(timeout=PATIENCE) as http:

        def wait_for(status):
            address = f"{page_server.address}health"
            becomes(tab.page, lambda: http.get(address).json()["status"], status)

        for _ in range(5):
            other = socket.create_connection((ask.url.host, ask.url.port))
            others.enter_context(other).sendall(f"{head}\r\n".encode() + ask.read())
        wait_for("busy")
        tab.page.set_input_files("#one-zone input", str(path))
        tab.until("document.querySelector('#one-result .problem')")
        assert "busy" in tab.problems("one")[0]
        tab.screenshot("busy")
        others.close()  # who has gone is not waited for
        wait_for("ok")
    tab.page.set_input_files("#one-zone input", str(path))
    tab.until("document.querySelector('#one-result .card[data-sha256]')")
    assert [card["name"] for card in tab.cards("one")] == ["patient.png"]


def test_a_server_that_stops_at_work_is_said_to_be_gone(trained, visit, tmp_path_factory):
    folder = tmp_path_factory.mktemp("gone")
    server = RunningServer(folder, f"--workdir={trained.workdir}")
    tab = visit(server)
    # One would do, but might be done before the server is killed.
    paths = [write(folder / f"{n}.png", pixels(87, 1500, 1500)) for n in range(8)]
    tab.page.set_input_files("#one-zone input", list(map(str, paths)))
    tab.until("document.querySelector('#one-result .working')")
    server.process.kill()
    tab.until("document.querySelector('#trouble:not([hidden])')")
    assert "it has stopped" in tab.ask("document.querySelector('#trouble').innerText")
    assert not tab.ask("!!document.querySelector('.working')")
    tab.page.set_input_files("#one-zone input", str(write(folder / "b.png", pixels(88))))
    tab.until("document.querySelector('#one-zone p.problem')")
    assert "cannot be reached" in tab.problems("one")[0]
    server.process.wait(PATIENCE)
    tab.troubles.clear()  # the browser, too, says that the connection is refused
