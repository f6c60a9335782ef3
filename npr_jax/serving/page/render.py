"""HTML of the page's parts; what came with a picture, above all its metadata, is escaped."""

from __future__ import annotations

import base64
import functools
import io
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import jinja2
import numpy as np
from PIL import Image

from input_pipeline.images import orientation
from npr_jax.analysis.page.environment import environment
from npr_jax.detectors.calibration import GENERATED, PHOTOGRAPH, UNSURE
from npr_jax.serving import sentences

if TYPE_CHECKING:
    from npr_jax.serving.assessment import Assessment
    from npr_jax.serving.evidence import Evidence
    from npr_jax.serving.schema import FactsAnswer

LONGEST_SIDE = 640  # pixels of a picture on the page
_LOSSLESS = 200 * 200  # pixels up to which a picture is sent exactly
_QUALITY = 90
_GREY = 128  # no difference, in a residual's picture
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
    pixels = f"{facts.width} × {facts.height} pixels"
    turned = orientation.NAMES.get(facts.orientation)
    lines = {
        "Format": facts.format,
        "Size": f"{pixels}, {_file_size(facts.num_bytes)}",
        "Shown": turned and f"{turned}, so that it stands upright; scored as stored",
        "Pictures in the file": facts.pictures > 1 and f"{facts.pictures}; one of them was scored",
        "Transparent": facts.transparent and f"{facts.transparent:.1%} of it, scored as grey",
        "JPEG quality": sentences.jpeg_quality(facts),
        "Colour sampling": facts.subsampling,
        "Camera": facts.camera or "none named",
        "Software": facts.software,
        "Declared source": facts.digital_source_type,
        "Content Credentials": sentences.credentials(facts.credentials),
        "Credentials say": sentences.credentials_say(facts.credentials),
        "Invisible mark": sentences.invisible_mark(facts.mark),
        "After the picture": f"{facts.bytes_after_end:,} bytes" if facts.bytes_after_end else "",
        "Text fields": ", ".join(facts.texts),
    }
    return [(name, value) for name, value in lines.items() if value]


def _residuals(found: Evidence | None) -> dict[str, Any]:
    """Tiles (address, caption, whether pixel by pixel), and how many times they were reduced."""
    if not found or not found.residuals:
        return {}
    tiles, reduced = [], 1
    for scale, pixels in found.residuals:
        small, times = shown(pixels)
        reduced = max(reduced, times)
        tiles.append((uri(small), _scale_in_words(scale), found.step * times == 1))
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


def shown(image: np.ndarray) -> tuple[np.ndarray, int]:
    """A residual's picture reduced to fit, uint8 ``[h, w, 3]``, and how many times.

    Of every k x k pixels the one farthest from mid-grey is kept, in each channel. A mean would
    grey out the pattern, and so would every k-th pixel: residuals are zero at the same place of
    each small block.
    """
    step = -(-max(image.shape[:2]) // LONGEST_SIDE)
    if step == 1:
        return image, 1
    rows, columns = (-(-length // step) for length in image.shape[:2])
    spare = ((0, rows * step - image.shape[0]), (0, columns * step - image.shape[1]), (0, 0))
    padded = np.pad(image, spare, mode="edge")
    blocks = padded.reshape(rows, step, columns, step, 3).swapaxes(1, 2)
    blocks = blocks.reshape(rows, columns, step * step, 3)
    farthest = np.abs(blocks.astype(np.int16) - _GREY).argmax(axis=2)
    return np.take_along_axis(blocks, farthest[:, :, None], axis=2)[:, :, 0], step


def thumbnail(image: np.ndarray) -> np.ndarray:
    """uint8 ``[h, w, 3]`` reduced smoothly to at most ``LONGEST_SIDE``, as a viewer would."""
    picture = Image.fromarray(image)
    picture.thumbnail((LONGEST_SIDE, LONGEST_SIDE))
    return np.asarray(picture)


def uri(image: np.ndarray) -> str:
    """A uint8 ``[h, w, 3]`` picture as a data URI: PNG where it is small, else JPEG."""
    buffer = io.BytesIO()
    kind = "png" if image.shape[0] * image.shape[1] <= _LOSSLESS else "jpeg"
    options = {"quality": _QUALITY, "subsampling": 0} if kind == "jpeg" else {}
    Image.fromarray(np.ascontiguousarray(image)).save(buffer, kind.upper(), **options)
    return f"data:image/{kind};base64,{base64.b64encode(buffer.getvalue()).decode('ascii')}"


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
    made.filters["thumbnail"] = lambda image: uri(thumbnail(image))
    return made
