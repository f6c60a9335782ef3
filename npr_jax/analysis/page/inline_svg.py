"""A figure inside a page: the drawing becomes part of the document and follows its theme.

Text can then be selected and read aloud, and the page needs no second copy of a figure for a dark
screen. Colours become CSS variables with the printed colour as their fallback, so that a browser
shows a drawing taken out of the page (page.js) as it was on white.
"""

import hashlib
import re
from xml.dom import minidom

from npr_jax.analysis.figures import style

# What the theme turns round, and the blue that is too dark for a dark page.
_THEMED = {
    style.BLACK: "--fig-ink",
    style.WHITE: "--fig-paper",
    style.GRID: "--fig-grid",
    style.SOFT: "--fig-soft",
    style.BLUE.lower(): "--fig-blue",
}
_COLOUR = re.compile("|".join(_THEMED))
_SHEET = re.compile(r"<style.*?</style>", re.DOTALL)
_DECIMALS = re.compile(r"(\.\d\d)\d+")
_REFERENCE = re.compile(r"(^|url\()#([\w.-]+)")  # alone in a link; a colour begins like one
_LINKS = ("xlink:href", "href")


def embed(svg: str, alt: str) -> str:
    """The drawing as an element of an HTML page.

    Identifiers nothing points to are left out, the others made unique to this drawing;
    coordinates keep two decimals (hundredths of a point).
    `alt` says what is shown, for those who do not see it.
    """
    # A style sheet would hold for all of the page, which has its rules in page.css.
    document = minidom.parseString(_SHEET.sub("", svg))
    elements = list(document.getElementsByTagName("*"))
    prefix = "f" + hashlib.sha256(svg.encode()).hexdigest()[:8]
    used = {name for element in elements for name in _references(element)}
    for element in elements:
        _rewrite(element, prefix, used)
    root = elements[0]
    for key, value in (("class", "drawing"), ("role", "img"), ("aria-label", alt)):
        root.setAttribute(key, value)
    return re.sub(r">\s+<", "><", root.toxml())


def _references(element: minidom.Element) -> list[str]:
    values = (value for key, value in element.attributes.items() if _refers(key, value))
    return [name for value in values for _, name in _REFERENCE.findall(value)]


def _refers(key: str, value: str) -> bool:
    return key in _LINKS or "url(#" in value


def _rewrite(element: minidom.Element, prefix: str, used: set[str]) -> None:
    for key, value in list(element.attributes.items()):
        if key == "id" and value not in used:
            element.removeAttribute("id")
            continue
        if key == "id":
            value = f"{prefix}-{value}"
        elif key in ("d", "x", "y", "transform"):
            value = _DECIMALS.sub(r"\1", value)
        elif _refers(key, value):
            value = _REFERENCE.sub(rf"\1#{prefix}-\2", value)
        if key == "style":
            value = _COLOUR.sub(_variable, value)
        element.setAttribute(key, value)


def _variable(colour: re.Match[str]) -> str:
    return f"var({_THEMED[colour[0]]}, {colour[0]})"
