"""The properties of XMP packets, by their local names: prefixes are the writer's choice.

Expat without namespaces reads packets whose prefixes nobody declared, and of damaged ones what
comes before the damage.
"""

import contextlib
import re
from xml.parsers import expat

from input_pipeline.provenance.containers import MAX_BYTES
from input_pipeline.provenance.manifest import COMPONENT

_START = re.compile(r"<(?:[\w.-]+:)?(?:xmpmeta|xapmeta|RDF)\b")
PACKET_START = re.compile(rb"<(?:[\w.-]+:)?(?:xmpmeta|xapmeta|RDF)\b")
# How UTF-16 begins the same.
WIDE_START = re.compile(rb"<\0[\w:?-]\0[\w:-]\0|\0<\0[\w:?-]\0[\w:-]")
_WRAPPERS = frozenset({"li", "Alt", "Bag", "Seq", "value", "Description", "RDF", "xmpmeta"})
# Properties that tell of pictures put into this one: XMP Specification, part 2, Media Management.
_COMPONENTS = frozenset({"Pantry", "Ingredients"})
_MAX_PROPERTIES = 5_000
# Elements within each other; Photoshop's lists of ingredients have a dozen. Each property is looked
# for in all that it stands in, so that without a bound a small file would take hours.
_DEEPEST = 50


def xmp_properties(packet: bytes) -> list[tuple[str, str]]:
    """Local name and text of every property, in order, of attributes and of elements.

    Names begin with `COMPONENT` where they are of a picture that was put into this one.
    """
    text = _text(packet[:MAX_BYTES])
    start = _START.search(text)
    if start is None:
        return []
    found: list[tuple[str, str]] = []
    open_elements: list[tuple[str, list[str]]] = []

    def owner(name: str) -> str:
        """The property that an element of RDF's own belongs to."""
        names = [name, *(other for other, _ in reversed(open_elements))]
        return next((n for n in names if n not in _WRAPPERS), name)

    def of_whom() -> str:
        return COMPONENT if any(name in _COMPONENTS for name, _ in open_elements) else ""

    def begin(name: str, attributes: dict[str, str]) -> None:
        """Keeps the properties that are attributes; `ExpatError` beyond what is read."""
        if len(open_elements) == _DEEPEST or len(found) >= _MAX_PROPERTIES:
            raise expat.ExpatError("XMP of too many levels or properties")
        local = name.rpartition(":")[2]
        for attribute, value in attributes.items():
            own = attribute.rpartition(":")[2]
            if not attribute.startswith("xmlns"):
                found.append((of_whom() + (owner(local) if own == "resource" else own), value))
        open_elements.append((local, []))

    def end(name: str) -> None:
        local, texts = open_elements.pop()
        if text := "".join(texts).strip():
            found.append((of_whom() + owner(local), text))

    def characters(text: str) -> None:
        if open_elements:
            open_elements[-1][1].append(text)

    def refuse(*_: object) -> None:
        raise expat.ExpatError("XMP declares no entities")

    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler = begin
    parser.EndElementHandler = end
    parser.CharacterDataHandler = characters
    parser.EntityDeclHandler = refuse
    # What stands before the damage, or before what follows the packet, is read.
    with contextlib.suppress(expat.ExpatError):
        parser.Parse(text[start.start() :], True)
    return found[:_MAX_PROPERTIES]


def _text(packet: bytes) -> str:
    wide = WIDE_START.search(packet)
    if wide is not None and PACKET_START.search(packet) is None:
        little = wide.group()[:1] == b"<"
        rest = packet[wide.start() :]
        return rest[: len(rest) // 2 * 2].decode(f"utf-16-{'le' if little else 'be'}", "replace")
    return packet.decode("utf-8", errors="replace")
