"""Pages from the templates beside this file; what comes from outside is escaped on the way."""

import base64
import functools
import hashlib
import importlib.resources
import pathlib
import re
from typing import Any

import jinja2
from markupsafe import Markup

from input_pipeline.storage.atomic_files import write_file
from npr_jax.analysis.attention.weights import study
from npr_jax.analysis.failures import CLASSES
from npr_jax.analysis.figures import panels, reliability, robustness, style
from npr_jax.analysis.page import contexts, inline_svg
from npr_jax.analysis.page.environment import environment
from npr_jax.analysis.paper_tables import sheets
from npr_jax.analysis.statistics.within_groups import FEWEST
from npr_jax.analysis.statistics.wording import LEVEL, count_of, format_p, points
from npr_jax.evaluation import tables
from npr_jax.evaluation.calibration_words import in_words
from npr_jax.inference.evidence_images import RESIDUAL_RANGE

FULL_EVALUATIONS = 3  # those beyond get their tables without figures, to keep the page small
CHANCE_AUC = 0.6  # a family below this is called close to chance
_HEADING = re.compile(r"<h2>(.*?)</h2>", re.DOTALL)


def render(template: str, **names: Any) -> Markup:
    """A template of the report as HTML; empty where it has nothing to say.
    `names` are what it shows: `run` (``RunResults``), `evaluation`, `with_figures`, ...
    """
    return Markup(_report_templates().get_template(template).render(**names).strip())


def lines_of(template: str, **names: Any) -> list[str]:
    """The lines of a template that is plain text."""
    return _report_templates().get_template(template).render(**names).splitlines()


def write_page(path: pathlib.Path, title: str, body: Markup) -> pathlib.Path:
    """Writes `path` whole or not at all; headings of level 2 become the page's contents.

    The page's security policy allows its own script (by its hash) and images inside the file, so
    that nothing it shows, however it is named, can run or call home.
    """
    links: list[str] = []

    def name(match: re.Match[str]) -> str:
        identifier = f"s{len(links) + 1}-{slug(match[1])[:40]}"
        links.append(f'<a href="#{identifier}">{match[1]}</a>')
        return f'<h2 id="{identifier}">{match[1]}</h2>'

    script = _read("page.js")
    page = render(
        "page.html",
        title=title,
        digest=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii"),
        style=Markup(_read("page.css")),
        script=Markup(script),
        body=Markup(_HEADING.sub(name, body)),
        contents=Markup("".join(links)),
    )
    write_file(path, f"{page}\n".encode(errors="replace"))
    return path


def slug(words: str) -> str:
    """The words as an identifier: lower-case letters, digits and hyphens."""
    return re.sub(r"[^a-z0-9]+", "-", words.lower()).strip("-")


@functools.cache
def _report_templates() -> jinja2.Environment:
    made = environment(
        "npr_jax.analysis.page",
        contexts=contexts,
        panels=panels,
        reliability=reliability,
        robustness=robustness,
        sheets=sheets,
        tables=tables,
        calibration_in_words=in_words,
        chance_auc=CHANCE_AUC,
        failure_classes=CLASSES,
        fewest=FEWEST,
        format_p=format_p,
        full_evaluations=FULL_EVALUATIONS,
        level=LEVEL,
        lines_of=lines_of,
        points=points,
        residual_range=f"{RESIDUAL_RANGE:g}",
        study_attention=study,
        svg=style.svg,
        short_p=lambda p: format_p(p).removeprefix("p = ").removeprefix("p "),
    )
    made.filters |= {
        "count_of": count_of,
        "embed": lambda svg, alt: Markup(inline_svg.embed(svg, alt)),
        "listed": contexts.listed,
        "percent": contexts.percent,
        "slug": slug,
    }
    made.tests |= {"control": tables.is_control, "simulated": contexts.simulated}
    made.tests |= {"few": contexts.few, "shifted": contexts.shifted}
    return made


def _read(name: str) -> str:
    files = importlib.resources.files("npr_jax.analysis.page")
    return files.joinpath(name).read_text(encoding="utf-8").strip()
