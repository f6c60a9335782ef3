"""HTML of the page's parts; what came with a picture, above all its metadata, is escaped."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import jinja2

from npr_jax.analysis.page.environment import environment
from npr_jax.detectors.calibration import GENERATED, PHOTOGRAPH, UNSURE
from npr_jax.serving import sentences
from npr_jax.serving.page import pictures

if TYPE_CHECKING:
    from npr_jax.serving.assessment import Assessment
    from npr_jax.serving.evidence import Evidence
    from npr_jax.serving.schema import FactsAnswer

# A word for the badge and a shape, so that no verdict is told by its colour alone.
VERDICTS = {GENERATED: "Generated", PHOTOGRAPH: "Photograph", UNSURE: "Unsure"}
SHAPES = {GENERATED: "◆", PHOTOGRAPH: "●", UNSURE: "?"}
BADGES = VERDICTS | {GENERATED: "Looks generated", PHOTOGRAPH: "Looks like a photograph"}


def render(template: str, **names: Any) -> str:
    """A template of the page as HTML."""
    return _templates().get_template(template).render(**names)


def part(template: str, macro: str, *values: Any) -> str:
    """One macro of a template as HTML, such as ("parts.html", "problem", name, sentence)."""
    return str(getattr(_templates().get_template(template).module, macro)(*values))


def problem(name: str, sentence: str) -> str:
    """What could not be done with a file of that name (or at all), and why."""
    return part("parts.html", "problem", name, sentence)


def card(found: Assessment, identity: Mapping[str, str], *, level: int = 2) -> str:
    """Everything about one picture; `level` is that of its heading, its parts have the next."""
    if found.result.error:
        return problem(found.name, found.result.error)
    names = {"found": found, "identity": identity, "level": level}
    return render("card.html", **names, residuals=_residuals(found.evidence))


def file_lines(facts: FactsAnswer) -> list[tuple[str, str]]:
    """Names and values of a file's facts; what it does not have is left out."""
    about = "" if facts.jpeg_standard_table else "about "
    quality = facts.jpeg_quality and f"{about}{facts.jpeg_quality} of 100 (estimate)"
    pixels = f"{facts.width} × {facts.height} pixels"
    credentials = "present (C2PA); not verified here" if facts.has_content_credentials else ""
    lines = {
        "Format": facts.format,
        "Size": f"{pixels}, {_file_size(facts.num_bytes)}",
        "JPEG quality": quality,
        "Colour sampling": facts.subsampling,
        "Camera": facts.camera or "none named",
        "Software": facts.software,
        "Declared source": facts.digital_source_type,
        "Content Credentials": credentials,
        "Text fields": ", ".join(facts.texts),
    }
    return [(name, value) for name, value in lines.items() if value]


def _residuals(found: Evidence | None) -> dict[str, Any]:
    """Tiles (address, caption, whether pixel by pixel), and how many times they were reduced."""
    if not found or not found.residuals:
        return {}
    tiles, reduced = [], 1
    for scale, pixels in found.residuals:
        small, times = pictures.shown(pixels)
        reduced = max(reduced, times)
        tiles.append((pictures.uri(small), _scale_in_words(scale), found.step * times == 1))
    return {"tiles": tiles, "reduced": reduced}


def _scale_in_words(scale: str) -> str:
    """What is done to the copy at a scale, such as ``0.5``."""
    try:
        return f"Residual, copy at {100 * float(scale):g} % of the size"
    except ValueError:
        return f"Residual, {scale}"


def _file_size(num_bytes: int) -> str:
    if num_bytes < 1000:
        return f"{num_bytes} bytes"
    return f"{num_bytes / 1e3:.0f} kB" if num_bytes < 1_000_000 else f"{num_bytes / 1e6:.1f} MB"


@functools.cache
def _templates() -> jinja2.Environment:
    made = environment(
        "npr_jax.serving.page",
        VERDICTS=VERDICTS,
        SHAPES=SHAPES,
        BADGES=BADGES,
        file_lines=file_lines,
        sentences=sentences,
    )
    made.filters["thumbnail"] = lambda image: pictures.uri(pictures.thumbnail(image))
    return made
