"""One examined picture as HTML: verdict, why, where, how it holds up, what its file says.

Everything that came with the picture, its name and metadata above all, is escaped here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from npr_jax.analysis.markup import escape
from npr_jax.detectors.calibration import GENERATED, PHOTOGRAPH, UNSURE
from npr_jax.serving import words
from npr_jax.serving.page import pictures
from npr_jax.serving.page import words as page_words
from npr_jax.serving.page.curve import delivery_panels

if TYPE_CHECKING:
    from npr_jax.serving.examination import Examination
    from npr_jax.serving.file_report import FileReport

_KINDS = {GENERATED: "generated", PHOTOGRAPH: "photograph", UNSURE: "unsure"}


def card(found: Examination, identity: Mapping[str, str], *, level: int = 2) -> str:
    """Everything about one picture.

    Args:
        found: of ``Service.examine``.
        identity: of ``Service``: version, checkpoint and the like.
        level: of the card's heading; parts have the next.
    """
    if found.result.error:
        return problem(found.name, found.result.error)
    parts = (
        _head(found, identity, level),
        _where(found, level + 1),
        _why(found, level + 1),
        _delivery(found, level + 1),
        _file(found, level + 1),
        cannot_tell(level + 1),
        _made_how(found, identity),
    )
    return f'<article class="card" data-sha256="{found.sha256}">{"".join(parts)}</article>'


def problem(name: str, sentence: str) -> str:
    """What could not be examined, and why."""
    named = "" if not name or name in sentence else f"<b>{escape(name)}</b>: "
    return f'<div class="problem" role="alert">{named}{escape(sentence)}</div>'


def badge(verdict: str) -> str:
    """A verdict as colour, shape and words."""
    return (
        f'<span class="badge {_KINDS[verdict]}"><span aria-hidden="true">'
        f"{page_words.SHAPES[verdict]}</span> {page_words.BADGES[verdict]}</span>"
    )


def small_badge(verdict: str) -> str:
    """The same for a line of a table."""
    return (
        f'<span class="mini {_KINDS[verdict]}"><span aria-hidden="true">'
        f"{page_words.SHAPES[verdict]}</span> {page_words.VERDICTS[verdict]}</span>"
    )


def number(score: float) -> str:
    """A score with four decimals; the element carries all of them."""
    return f'<data class="score" value="{score!r}">{score:.4f}</data>'


def cannot_tell(level: int = 3) -> str:
    """The plain statement of what the detector cannot tell."""
    items = "".join(f"<li>{escape(caveat)}</li>" for caveat in words.CAVEATS)
    return _section("What this detector cannot tell", f"<ul>{items}</ul>", level, "half")


def _head(found: Examination, identity: Mapping[str, str], level: int) -> str:
    score = found.result.score or 0.0
    own = found.result.verdict
    flipped = (
        f'<p class="soft">The file as it is: {small_badge(own)}</p>' if own != found.verdict else ""
    )
    return (
        f'<header><h{level} class="name">{escape(found.name)}</h{level}>'
        f'<p class="verdict" data-verdict="{_KINDS[found.verdict]}">{badge(found.verdict)}</p>'
        f"{meter(score)}{flipped}"
        f'<p class="reason">{escape(found.reason)}</p>'
        f'<p class="soft">{escape(_how_sure(found, identity))}</p></header>'
    )


def _how_sure(found: Examination, identity: Mapping[str, str]) -> str:
    calibrated = identity.get("calibration", "").startswith("calibrated")
    how = words.CALIBRATED if calibrated else words.UNCALIBRATED
    return f"{page_words.UNSURE_MEANS} {how}" if found.result.verdict == UNSURE else how


def meter(score: float) -> str:
    """The score as a number and as a place between photograph and generated."""
    return (
        f'<div class="meter"><p>Score {number(score)} '
        f'<span class="soft">{page_words.SCORE}</span></p>'
        '<div class="track" aria-hidden="true">'
        f'<i style="left:{100 * score:.2f}%"></i></div>'
        '<div class="ends" aria-hidden="true"><span>0 photograph</span><span>generated 1</span>'
        "</div></div>"
    )


def _where(found: Examination, level: int) -> str:
    if found.image is None:
        return ""
    size = "" if found.step > 1 else f", {found.image.shape[1]} × {found.image.shape[0]} pixels"
    tiles = [_tile(pictures.thumbnail(found.image), f"The picture as scored{size}")]
    if found.overlay is not None:
        legend = (
            '<span class="legend"><span class="swatch photograph"></span>speaks for a '
            'photograph</span> <span class="legend"><span class="swatch generated"></span>speaks '
            "for generated</span>"
        )
        tiles.append(_tile(pictures.thumbnail(found.overlay), "Heat map over the picture", legend))
        words_below = page_words.HEAT_MAP
    else:
        words_below = f"There is no heat map: {found.heat_map_problem}"
    body = f'<div class="tiles">{"".join(tiles)}</div><p class="soft">{escape(words_below)}</p>'
    return _section("Where in the picture", body, level, "half")


def _why(found: Examination, level: int) -> str:
    tiles, reduced = [], 1
    for scale, pixels in found.residuals:
        small, times = pictures.shown(pixels)
        reduced = max(reduced, times)
        tiles.append(_tile(small, page_words.scale_in_words(scale), exact=found.step * times == 1))
    body = ""
    if tiles:
        note = page_words.RESIDUAL
        if found.step > 1:
            note += (
                f" Of so large a picture one of every {found.step} × {found.step} pixels is taken."
            )
        if reduced > 1:
            note += (
                f" To fit the page, the strongest of every {reduced} × {reduced} pixels is shown."
            )
        body += f'<div class="tiles">{"".join(tiles)}</div><p class="soft">{escape(note)}</p>'
    body += _attention(found, level + 1)
    return _section("What the detector looked at", body, level, "half") if body else ""


def _attention(found: Examination, level: int) -> str:
    weights = found.result.weights
    if weights is None:
        if len(found.residuals) != 1:
            return ""
        return (
            '<p class="soft">This detector looks at one scale only '
            f"({escape(found.residuals[0][0])}), so there is no attention to show.</p>"
        )
    rows = "".join(
        f'<tr><th scope="row">{escape(scale)}</th><td class="bar"><i style="width:'
        f'{100 * weight:.2f}%"></i></td><td class="num"><data class="weight" value="{weight!r}">'
        f"{100 * weight:.1f} %</data></td></tr>"
        for scale, weight in zip(found.scales, weights, strict=True)
    )
    return (
        f"<h{level}>Attention over scales</h{level}>"
        f'<table class="bars"><tbody>{rows}</tbody></table>'
        f'<p class="soft">{escape(page_words.ATTENTION)}</p>'
    )


def _delivery(found: Examination, level: int) -> str:
    known = [point for point in found.delivery if point.score is not None]
    title = "How the verdict holds up"
    if not known or found.result.score is None:
        return _section(title, f"<p>{escape(found.delivery_note)}</p>", level)
    panels = "".join(delivery_panels(found.delivery, found.result.score))
    rows = "".join(
        f'<tr><th scope="row">{escape(point.label)}</th>'
        + (
            f"<td>{escape(point.problem)}</td><td></td>"
            if point.score is None
            else f"<td>{number(point.score)}</td><td>{small_badge(point.verdict)}</td>"
        )
        + "</tr>"
        for point in found.delivery
    )
    table = (
        '<details><summary>The numbers</summary><table class="plain delivery"><thead><tr>'
        '<th scope="col">Sent on as</th><th scope="col">Score</th><th scope="col">Verdict</th></tr>'
        f"</thead><tbody>{rows}</tbody></table></details>"
    )
    note = f"<p>{escape(found.delivery_note)}</p>" if found.delivery_note else ""
    body = (
        note
        + f'<div class="panels">{panels}</div>'
        + f'<p class="soft">{escape(page_words.DELIVERY)}</p>{table}'
    )
    return _section(title, body, level)


def _file(found: Examination, level: int) -> str:
    facts = found.facts
    if facts is None:
        return ""
    pasted = f" {page_words.PASTED}" if found.name.startswith(page_words.PASTED_NAME) else ""
    lines = "".join(
        f'<tr><th scope="row">{escape(name)}</th><td>{escape(value)}</td></tr>'
        for name, value in file_lines(facts)
    )
    hints = "".join(
        f"<li><b>{escape(hint.where)}</b>: <q>{escape(hint.text)}</q></li>"
        for hint in facts.generator_hints
    )
    named = (
        f'<div class="named"><p><b>The file itself names a generator.</b></p><ul>{hints}</ul></div>'
        if hints
        else "<p>Nothing in the file names a generator.</p>"
    )
    body = (
        f'{named}<table class="plain facts"><tbody>{lines}</tbody></table>'
        f'<p class="soft">{escape(words.METADATA_NOTE + pasted)}</p>'
    )
    return _section("What the file says of itself", body, level, "half")


def file_lines(facts: FileReport) -> list[tuple[str, str]]:
    """Names and values of a file's facts; what it does not have is left out."""
    pixels = f"{facts.width} × {facts.height} pixels"
    lines = [
        ("Format", facts.format),
        ("Size", f"{pixels}, {page_words.file_size(facts.num_bytes)}"),
    ]
    if facts.jpeg_quality is not None:
        about = "" if facts.jpeg_standard_table else "about "
        lines.append(("JPEG quality", f"{about}{facts.jpeg_quality} of 100 (estimate)"))
    if facts.subsampling:
        lines.append(("Colour sampling", facts.subsampling))
    lines.append(("Camera", facts.camera or "none named"))
    if facts.software:
        lines.append(("Software", facts.software))
    if facts.digital_source_type:
        lines.append(("Declared source", facts.digital_source_type))
    if facts.has_content_credentials:
        lines.append(("Content Credentials", "present (C2PA); not verified here"))
    if facts.texts:
        lines.append(("Text fields", ", ".join(facts.texts)))
    return lines


def _made_how(found: Examination, identity: Mapping[str, str]) -> str:
    lines = [
        *identity.items(),
        ("sha256 of the file", found.sha256),
        ("seconds", f"{found.seconds:.1f}"),
    ]
    rows = "".join(
        f'<tr><th scope="row">{escape(str(name))}</th><td>{escape(str(value))}</td></tr>'
        for name, value in lines
    )
    return (
        "<details><summary>How this was computed (version, checkpoint, preprocessing)</summary>"
        f'<table class="plain made"><tbody>{rows}</tbody></table></details>'
    )


def _tile(image: np.ndarray, caption: str, legend: str = "", *, exact: bool = False) -> str:
    kind = ' class="pixels"' if exact else ""
    return (
        f'<figure><img{kind} src="{pictures.uri(image)}" alt="{escape(caption)}">'
        f"<figcaption>{escape(caption)}{legend}</figcaption></figure>"
    )


def _section(title: str, body: str, level: int, kind: str = "") -> str:
    return f'<section class="{kind}"><h{level}>{escape(title)}</h{level}>{body}</section>'
