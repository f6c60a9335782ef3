"""The pages in a real browser: what a reader sees, presses and saves. Skips where there is none."""

import io
import pathlib
import re
from xml.dom import minidom

import numpy as np
import pytest
from PIL import Image

from npr_jax.analysis.report import build_report
from npr_jax.evaluation.results import write_evaluation
from tests.analysis.made_up import META, make_samples, make_scores, sweep_rows, write_sweep
from tests.patience import PATIENCE, becomes

PHONE = {"width": 375, "height": 740}
DARK_CARD, LIGHT_CARD = "rgb(31, 36, 42)", "rgb(255, 255, 255)"
OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


@pytest.fixture
def visit(browser):
    """Opens a file; at the end nothing must have gone wrong and nothing been asked for but it."""
    contexts, troubles = [], []

    def open_file(path, **options):
        context = browser.new_context(**options)
        context.set_default_timeout(PATIENCE * 1000)
        contexts.append(context)
        tab = context.new_page()
        address = pathlib.Path(path).resolve().as_uri()

        def check(request):
            if not request.url.startswith(("data:", "blob:")) and request.url != address:
                troubles.append(f"asked for {request.url}")

        tab.on("request", check)
        tab.on("console", lambda message: troubles.append(message.text))
        tab.on("pageerror", lambda error: troubles.append(str(error)))
        tab.on("dialog", lambda dialog: troubles.append("a dialog"))
        tab.goto(address)
        return tab

    yield open_file
    for context in contexts:
        context.close()
    assert troubles == []


@pytest.fixture(scope="module")
def report(workdir, page):
    return workdir / "report.html"


@pytest.fixture(scope="module")
def sweep_page(tmp_path_factory):
    return build_report(write_sweep(tmp_path_factory.mktemp("sweep"), sweep_rows()))


def column(tab, number, body=0):
    """Words of a column of the first table that can be sorted."""
    table = "document.querySelectorAll('table.sortable')[1]"
    rows = f"[...{table}.tBodies[{body}].rows]"
    return tab.evaluate(f"{rows}.map(row => row.cells[{number}].firstChild.textContent)")


def heads(tab):
    table = tab.locator("table.sortable").nth(1)
    states = table.locator("thead th").evaluate_all("all => all.map(th => th.ariaSort)")
    return table.locator("thead th button"), states


def as_numbers(words):
    return [float(word.replace("\u00a0", " ").removesuffix(" %")) for word in words]


def test_tables_are_sorted_by_mouse_and_keyboard_and_means_stay_below(visit, report):
    tab = visit(report)
    before, means, controls = column(tab, 1), column(tab, 0, 1), column(tab, 0, 2)
    buttons, states = heads(tab)
    assert set(states) == {"none"}
    buttons.nth(1).click()
    becomes(tab, lambda: heads(tab)[1][1], "descending")
    assert as_numbers(column(tab, 1)) == sorted(as_numbers(before), reverse=True)
    buttons.nth(1).press("Enter")
    becomes(tab, lambda: heads(tab)[1][1], "ascending")
    assert as_numbers(column(tab, 1)) == sorted(as_numbers(before))
    buttons.nth(1).press("Space")
    becomes(tab, lambda: set(heads(tab)[1]), {"none"})
    assert column(tab, 1) == before
    buttons.nth(0).press("Enter")
    becomes(tab, lambda: heads(tab)[1][0] != "none", True)
    assert column(tab, 0) == sorted(column(tab, 0))
    assert (column(tab, 0, 1), column(tab, 0, 2)) == (means, controls)
    assert controls == ["control"]


def test_what_is_missing_is_sorted_last_and_minus_signs_count(visit, tmp_path):
    page = build_report(write_sweep(tmp_path, sweep_rows()))
    tab = visit(page)
    cells = ["−3.5", "+10.0", "–", "2.0", "-11.5"]
    tab.evaluate(
        """cells => {
            const rows = document.querySelector('table.sortable').tBodies[0].rows;
            cells.slice(0, rows.length).forEach((words, row) => {
                rows[row].cells[3].firstChild.textContent = words;
            });
        }""",
        cells[:3],
    )
    table = tab.locator("table.sortable").first
    button = table.locator("thead th button").nth(3)
    read = "all => all.map(row => row.cells[3].firstChild.textContent)"
    rows = table.locator("tbody tr")
    button.click()
    becomes(tab, lambda: rows.evaluate_all(read), ["+10.0", "−3.5", "–"])
    button.click()
    becomes(tab, lambda: rows.evaluate_all(read), ["−3.5", "+10.0", "–"])


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_theme_follows_the_system_until_the_button_is_used(visit, report, scheme):
    tab = visit(report, color_scheme=scheme)
    button = tab.locator("#theme")
    other = {"light": "Dark", "dark": "Light"}[scheme]
    assert button.inner_text() == f"{other} theme"
    card = "getComputedStyle(document.querySelector('.tile')).backgroundColor"
    paper = "getComputedStyle(document.querySelector('svg.drawing path')).fill"
    expected = {"light": LIGHT_CARD, "dark": DARK_CARD}
    assert tab.evaluate(card) == tab.evaluate(paper) == expected[scheme]
    button.press("Enter")
    turned = expected[other.lower()]
    # A busy browser handles the key a moment later.
    tab.wait_for_function(f"{card} === {turned!r}")
    assert tab.evaluate(paper) == turned
    tab.reload()
    tab.wait_for_function(f"{card} === {turned!r}")


def test_paper_is_white_whatever_the_theme_and_shows_no_buttons(visit, report):
    tab = visit(report, color_scheme="dark")
    tab.emulate_media(media="print")
    assert tab.evaluate("getComputedStyle(document.body).backgroundColor") == LIGHT_CARD
    paper = "getComputedStyle(document.querySelector('svg.drawing path')).fill"
    assert tab.evaluate(paper) == LIGHT_CARD
    assert not tab.locator("#theme").is_visible()
    assert not tab.locator(".files").first.is_visible()


@pytest.mark.parametrize("which", ["report", "sweep_page"])
def test_a_phone_shows_all_without_scrolling_sideways(visit, request, which):
    tab = visit(request.getfixturevalue(which), viewport=PHONE, color_scheme="dark")
    assert tab.evaluate(OVERFLOW) <= 0
    tab.evaluate("document.querySelectorAll('details').forEach(part => { part.open = true; })")
    assert tab.evaluate(OVERFLOW) <= 0
    wide = tab.locator(".scroll[tabindex='0']")
    assert wide.count() > 0
    wide.first.focus()
    tab.keyboard.press("ArrowRight")
    becomes(tab, lambda: tab.evaluate("document.activeElement.scrollLeft > 0"), True)
    words = tab.locator("p, li, dd, figcaption, svg.drawing")
    assert max(words.evaluate_all("all => all.map(e => e.getBoundingClientRect().left)")) < 375


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_figures_are_saved_as_they_are_for_print(visit, report, scheme):
    tab = visit(report, color_scheme=scheme, accept_downloads=True)
    figure = tab.locator("figure.panel").first
    saved = {}
    for kind in ("PNG", "SVG"):
        with tab.expect_download() as download:
            figure.locator(".files button", has_text=kind).press("Enter")
        path = download.value.path()
        saved[kind] = path.read_bytes()
        assert re.fullmatch(
            rf"roc-curve-of-[a-z0-9-]+\.{kind.lower()}", download.value.suggested_filename
        )
    root = minidom.parseString(saved["SVG"]).documentElement
    assert (root.tagName, root.getAttribute("width")) == ("svg", "252pt")
    assert b"var(" not in saved["SVG"]
    pixels = np.asarray(Image.open(io.BytesIO(saved["PNG"])).convert("RGB"))
    assert pixels.shape == (round(3.5 * 300), 3.5 * 300, 3)
    assert (pixels[2, 2] == 255).all()
    for colour in ((0, 114, 178), (213, 94, 0), (0, 0, 0)):  # curve, threshold, axes
        assert (np.abs(pixels.astype(int) - colour).max(-1) < 8).sum() > 50


def test_nothing_that_is_shown_can_run(visit, tmp_path):
    call = "window.ran=1;alert(1)"
    name = f"</text><script>{call}</script><img src=x onerror='{call}'>"
    samples = make_samples(2) | {"filenames": [name, f'" onload="{call}']}
    meta = META | {"model": f"</title><script>{call}</script>", "delivery": name}
    write_evaluation(tmp_path / "evaluation/test", make_scores({name: 2.0}), meta, samples)
    tab = visit(build_report(tmp_path))
    assert tab.evaluate("window.ran") is None
    assert tab.locator("script").count() == 1
    assert name in tab.locator("body").inner_text()
    assert tab.locator("#theme").is_visible()  # the page's own script did run


@pytest.mark.parametrize("which", ["report", "sweep_page"])
def test_contents_lead_to_every_section(visit, request, which):
    tab = visit(request.getfixturevalue(which))
    titles = tab.locator("h2").all_inner_texts()
    assert tab.locator("nav a").all_inner_texts() == titles
    tab.locator("nav a").last.click()
    place = "h => h.getBoundingClientRect().top < innerHeight"
    becomes(tab, lambda: tab.locator("h2").last.evaluate(place), True)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_screenshot_is_neither_blank_nor_in_the_wrong_theme(visit, report, scheme):
    tab = visit(report, color_scheme=scheme, viewport={"width": 1180, "height": 900})
    pixels = np.asarray(Image.open(io.BytesIO(tab.screenshot())).convert("L"), float)
    ground = np.median(pixels)
    assert ground > 230 if scheme == "light" else ground < 40
    assert 0.02 < (np.abs(pixels - ground) > 60).mean() < 0.5
