"""A figure inside a page: the drawing becomes part of the document and follows its theme.

Text can then be selected and read aloud, and the page needs no second copy of a figure for a dark
screen. Colours become CSS variables with the printed colour as their fallback, so that a browser
shows a drawing taken out of the page (page.js) as it was on white.
"""

import hashlib
import re
from xml.dom import minidom

from npr_jax.analysis import style

# What the theme turns round, and the blue that is too dark for a dark page.
_THEMED = {
    style.BLACK: "--fig-ink",
    style.WHITE: "--fig-paper",
    style.GRID: "--fig-grid",
    style.SOFT: "--fig-soft",
    style.BLUE.lower(): "--fig-blue",
}
_COLOUR = re.compile("|".join(_THEMED))
_DECIMALS = re.compile(r"(\.\d\d)\d+")
_REFERENCE = re.compile(r"(^|url\()#([\w.-]+)")


def embed(svg: str, alt: str) -> str:
    """The drawing as an element of an HTML page.

    Identifiers nothing points to are left out, the others made unique to this drawing;
    coordinates keep two decimals (hundredths of a point).

    Args:
        svg: text of an SVG file, as `style.svg` gives it.
        alt: what is shown, for those who do not see it.
    """
    root = minidom.parseString(svg).documentElement
    prefix = "f" + hashlib.sha256(svg.encode()).hexdigest()[:8]
    elements = [root, *root.getElementsByTagName("*")]
    used = {name for element in elements for name in _references(element)}
    for element in elements:
        _rewrite(element, prefix, used)
    for sheet in root.getElementsByTagName("style"):
        sheet.parentNode.removeChild(sheet)  # it would hold for all of the page; page.css has it
    for key, value in (("class", "drawing"), ("role", "img"), ("aria-label", alt)):
        root.setAttribute(key, value)
    return re.sub(r">\s+<", "><", root.toxml())


def _references(element: minidom.Element) -> list[str]:
    return [
        name for _, value in element.attributes.items() for _, name in _REFERENCE.findall(value)
    ]


def _rewrite(element: minidom.Element, prefix: str, used: set[str]) -> None:
    for key, value in list(element.attributes.items()):
        if key == "id" and value not in used:
            element.removeAttribute("id")
        elif key == "id":
            element.setAttribute("id", f"{prefix}-{value}")
        elif key in ("d", "x", "y", "transform"):
            element.setAttribute(key, _DECIMALS.sub(r"\1", value))
        else:
            value = _REFERENCE.sub(rf"\1#{prefix}-\2", value)
            element.setAttribute(key, _COLOUR.sub(_variable, value) if key == "style" else value)


def _variable(colour: re.Match[str]) -> str:
    return f"var({_THEMED[colour[0]]}, {colour[0]})"
