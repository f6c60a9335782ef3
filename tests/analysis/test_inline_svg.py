"""A drawing inside a page: it looks as the file does, and gets on with other drawings."""

import re

import numpy as np
import pytest

from npr_jax.analysis.figures import panels as figures
from npr_jax.analysis.figures import style
from npr_jax.analysis.page import inline_svg

ROW = {"generator": "x & <y>", "n_photographs": 40, "n_generated": 40}


@pytest.fixture(scope="module")
def drawing():
    labels = np.repeat([0, 1], 40)
    logits = np.random.default_rng(0).normal(3.0 * labels - 1)
    return figures.histogram_panel(ROW, labels, logits, (-5.0, 5.0))


def test_colours_of_series_stay_and_neutral_ones_have_the_printed_colour_to_fall_back_on(drawing):
    page = inline_svg.embed(drawing, "what it shows")
    back = re.sub(r"var\(--[\w-]+, (#\w+)\)", r"\1", page)
    for colour in ("#d55e00", "#0072b2", "#ffffff", "#dddddd"):
        assert back.count(colour) == drawing.count(colour) > 0
    assert 'fill="#d55e00"' in page  # the ground of the hatched area
    assert "var(--fig-paper, #ffffff)" in page
    assert "var(--fig-grid, #dddddd)" in page


def test_what_is_pointed_to_is_there_once_and_nothing_else_has_a_name(drawing):
    page = inline_svg.embed(drawing, "what it shows")
    names = re.findall(r' id="([^"]+)"', page)
    targets = set(re.findall(r'(?:href="|url\()#([^")]+)', page))
    assert len(names) == len(set(names))
    assert set(names) == targets
    assert len(targets) >= 3  # clip path, hatch, tick


def test_drawings_do_not_share_names_or_style_sheets(drawing):
    other = drawing.replace("photographs", "pictures")
    pages = [inline_svg.embed(svg, "what it shows") for svg in (drawing, other)]
    first, second = (set(re.findall(r' id="([^"]+)"', page)) for page in pages)
    assert first.isdisjoint(second)
    assert "<style" not in "".join(pages)


def test_words_stay_words(drawing):
    page = inline_svg.embed(drawing, 'a "quoted" <title>')
    assert 'aria-label="a &quot;quoted&quot; &lt;title&gt;"' in page
    assert "x &amp; &lt;y&gt;" in page
    assert style.BLUE.lower() in page
