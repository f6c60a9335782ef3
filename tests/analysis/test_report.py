"""The report: self-contained, complete, safe with hostile names, true to the numbers."""

import base64
import hashlib
import html.parser
import io
import json
import re

import matplotlib
import numpy as np
import pytest
from PIL import Image

from npr_jax.analysis.figures import panels as figures
from npr_jax.analysis.figures import style
from npr_jax.analysis.page.render import render
from npr_jax.analysis.report import build_report
from npr_jax.evaluation.results import Scores, tabulate, write_evaluation
from npr_jax.residuals import residual
from npr_jax.residuals.front_end import paper_front_end
from tests.analysis.made_up import META, make_samples, make_scores

CONTROL = "On the control family"
SIMULATED = "The images were simulated: scenes drawn by a program"
VOID = {"meta", "img", "br", "link", "hr"}
NAMESPACES = {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}  # names, not addresses


class Outline(html.parser.HTMLParser):
    """Collects text and images, and checks that tags nest."""

    def __init__(self, page):
        super().__init__()
        self.open, self.text, self.images, self.tags = [], [], [], []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        if tag == "img":
            self.images.append(dict(attrs))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] not in ("style", "script"):
            self.text.append(data)


def contents(outline, kind):
    head = f"data:{kind};base64,"
    uris = [image["src"] for image in outline.images if image["src"].startswith(head)]
    return [base64.b64decode(uri.removeprefix(head)) for uri in uris]


def test_page_is_well_formed_and_refers_to_nothing_outside(page):
    outline = Outline(page)
    assert outline.open == []
    assert {"link", "iframe", "object", "embed", "base"}.isdisjoint(outline.tags)
    assert outline.tags.count("script") == 1
    assert not re.search(r"\bsrc=(?![\"']data:)|url\((?!#)|@import", page)
    assert set(re.findall(r"https?://[^\"'<> ]+", page)) <= NAMESPACES
    assert all(image["src"].startswith("data:") for image in outline.images)
    assert all(image["alt"] for image in outline.images)
    assert set(re.findall(r'href="([^"]?)', page)) == {"#"}


def test_page_lets_only_its_own_script_run(page):
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page)[1]
    script = re.search(r"<script>(.*?)</script>", page, re.DOTALL)[1]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == "'none'"
    assert rules["script-src"] == f"'sha256-{digest}'"


def test_page_is_small(workdir, page):
    assert (workdir / "report.html").stat().st_size < 3e6


def test_page_holds_every_part(page):
    outline = Outline(page)
    text = " ".join(outline.text)
    for words in (
        "What this detector cannot tell",
        "In short",
        "Evaluation “test”",
        "Evaluation “test-web”",
        "All evaluations",
        "ROC curves",
        "Attention: weights of the scales",
        "AUC beside cheap classifiers",
        "Training",
        "What the detector looks at",
        "sample3.png",
        "residual, scale 0.75",
        "Configuration",
        "data.resize",
        "abc123",
    ):
        assert words in text, words
    # Two evaluations of four families: ROC and histogram each, attention and a panel per scale;
    # one overview, one of baselines, two curves.
    assert outline.tags.count("svg") == 2 * (4 + 4 + 1 + 3) + 1 + 1 + 2
    # Four samples: the centre and three residuals as PNG, the whole as JPEG.
    assert len(contents(outline, "image/png")) == 4 * 4
    assert len(contents(outline, "image/jpeg")) == 4


def test_identifiers_are_unique_and_links_lead_to_them(page):
    identifiers = re.findall(r' id="([^"]+)"', page)
    assert len(identifiers) == len(set(identifiers))
    targets = set(re.findall(r'href="#([^"]+)"', page)) | set(re.findall(r"url\(#([^)]+)\)", page))
    assert targets <= set(identifiers)
    assert len(re.findall(r"<nav.*?</nav>", page)[0].split("<a ")) - 1 == page.count("<h2 ")


def test_tables_and_figures_say_what_data_and_how_many(page):
    drawn = re.findall(r'<figure class="figure.*?<figcaption>(.*?)</figcaption>', page, re.DOTALL)
    captions = re.findall(r"<caption>(.*?)</caption>", page)
    assert len(drawn) == 4  # overview, baselines, attention of two evaluations
    assert len(captions) == 1 + 2 * 3 + 1  # comparison; results, sources, attention; baselines
    for words in drawn + captions:
        assert re.search(r"\d+ (photographs|evaluations)", words), words
        assert "one run" in words


def test_page_is_the_same_each_time_and_the_callers_settings_stay(workdir, page):
    names = ("font.size", "svg.fonttype", "text.parse_math", "axes.grid")
    before = [matplotlib.rcParams[name] for name in names]
    assert build_report(workdir).read_text(encoding="utf-8") == page
    assert [matplotlib.rcParams[name] for name in names] == before


def test_numbers_on_the_page_are_those_of_the_results(workdir, page):
    results = json.loads((workdir / "evaluation/test/results.json").read_text())
    text = "".join(Outline(page).text).replace("\u00a0", " ")
    assert f"{100 * results['unseen']['ap']:.1f} %" in text
    for row in [*results["generators"], *results["control"]]:
        counts = row["confusion"]
        assert f"{counts['tn']} / {counts['fp']}{counts['fn']} / {counts['tp']}" in text


def test_samples_of_every_kind_come_before_a_second_of_one(tmp_path):
    samples = make_samples(40, size=32)
    samples["generators"] = ["photographs"] * 30 + ["late"] * 10
    samples["labels"] = [0] * 30 + [1] * 10
    write_evaluation(tmp_path / "evaluation/test", make_scores(count=3), META, samples)
    text = "".join(Outline(build_report(tmp_path).read_text(encoding="utf-8")).text)
    shown = [number for number in range(40) if f"sample{number}.png" in text]
    assert shown == [*range(5), *range(30, 35)]


def test_hostile_names_are_shown_and_not_run(tmp_path):
    names = {'<script>alert("x")</script>': 3.0, "$\\frac{1$ & co": 1.0, "n" * 200: 2.0}
    scores = make_scores(names, weights=False)
    samples = make_samples(2)
    samples |= {"filenames": ["<img src=x onerror=y>", "日本.png"]}
    write_evaluation(tmp_path / "evaluation/test", scores, {"<b>": "<i>"}, samples)
    outline = Outline(build_report(tmp_path).read_text(encoding="utf-8"))
    assert {"b>", "i"}.isdisjoint(outline.tags)
    assert outline.tags.count("script") == 1
    text = "".join(outline.text)
    assert '<script>alert("x")</script>' in text
    assert "<img src=x onerror=y>" in text


def test_report_before_the_first_evaluation(tmp_path):
    (tmp_path / "metrics.jsonl").write_text('{"step": 1, "split": "train", "loss": 1}\n')
    page = build_report(tmp_path).read_text(encoding="utf-8")
    assert "No evaluation yet" in page


@pytest.mark.parametrize("label", [0, 1])
def test_report_of_one_class(tmp_path, label):
    scores = Scores([label] * 3, [-1.0, 2.0, 3.0], ["x"] * 3, ["a", "b", "c"])
    write_evaluation(tmp_path / "evaluation/test", scores, {})
    assert "Evaluation “test”" in build_report(tmp_path).read_text(encoding="utf-8")


@pytest.mark.parametrize("shape", [(40, 37), (300, 200)])
def test_residual_tiles_show_the_residual_with_the_stated_scaling(shape):
    rng = np.random.default_rng(0)
    image = rng.integers(120, 136, (*shape, 3), np.uint8)
    tiles = figures.residual_tiles(image, [paper_front_end(f) for f in (0.5, 0.25)])
    assert [caption.split(",")[0] for caption, _ in tiles[2:]] == ["residual"] * 2
    height, width = shape
    top, left = max(0, (height - 96) // 2), max(0, (width - 96) // 2)
    cut = (slice(top, top + 96), slice(left, left + 96))
    for (_, uri), factor in zip(tiles[2:], [0.5, 0.25], strict=True):
        shown = np.asarray(Image.open(io.BytesIO(base64.b64decode(uri.split(",")[1]))))
        full = np.asarray(residual.npr_residual(np.float32(image) / 255, factor, "nearest"))
        expected = np.clip(127.5 + 127.5 * full[cut] / 0.1, 0, 255)
        assert np.abs(shown - expected).max() <= 0.51


def test_long_names_are_shortened_in_the_middle():
    assert style.shorten("short") == "short"
    short = style.shorten("abcdefghijklmnopqrstuvwxyz", 11)
    assert len(short) == 11
    assert (short[:5], short[-5:]) == ("abcde", "vwxyz")


def said(results, heading):
    results = {"name": "test", "meta": META, "baselines": None} | results
    parts = re.findall(
        r"<dt>(.*?)</dt><dd>(.*?)</dd>", render("summary.html", results=results), re.S
    )
    return " ".join(dict(parts).get(heading, "").split())


def rows(*groups):
    """Results of groups (generator, label, how many, logit)."""
    columns = [[], [], []]
    for generator, label, count, logit in groups:
        columns[0] += [label] * count
        columns[1] += [logit] * count
        columns[2] += [generator] * count
    names = [str(number) for number in range(len(columns[0]))]
    return tabulate(Scores(*columns, names), ["nearest"])


def test_summary_of_the_control_family():
    photographs = [("photographs", 0, 8, -2.0), ("photographs", 0, 2, 1.0)]
    quiet = said(rows(*photographs, ("control", 1, 8, -2.0), ("control", 1, 2, 1.0)), CONTROL)
    assert "20.0 % of 10 are called generated, beside 20.0 % of the photographs" in quiet
    assert "does not by itself" in quiet
    loud = said(rows(*photographs, ("control", 1, 10, 3.0)), CONTROL)
    assert "100.0 % of 10 are called generated" in loud
    assert "not about up-sampling" in loud


def test_summary_names_families_at_chance_and_shifted_thresholds():
    results = rows(
        ("photographs", 0, 10, -4.0),
        ("nearest", 1, 10, 4.0),
        ("shifted", 1, 10, -1.0),
        ("hidden", 1, 10, -4.0),
    )
    assert "Close to chance or below: hidden." in said(results, "On generators it never saw")
    assert said(results, "The threshold").startswith("For shifted another threshold")
    assert "AP 100.0 %" in said(results, "On the family it was trained on")


def test_summary_without_photographs_says_what_is_unknown():
    assert "unknown" in said(rows(("nearest", 1, 5, 1.0)), "On photographs")


def test_limits_say_that_images_were_simulated_and_few():
    results = rows(("photographs", 0, 5, -1.0), ("nearest", 1, 5, 1.0)) | {"name": "test"}

    def limits(meta):
        page = render("limits.html", results=results | {"meta": meta}, calibrated=False)
        return re.findall("<li>(.*?)</li>", page)

    assert limits(META)[0].startswith(SIMULATED)
    assert "Fewer than 100 images" in limits(META)[-1]
    assert SIMULATED not in " ".join(limits({}))
