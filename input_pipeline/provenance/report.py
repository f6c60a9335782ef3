"""What a file says of where it comes from, weighed by the table of markers."""

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from input_pipeline.provenance.containers import bytes_after_end, take_apart
from input_pipeline.provenance.manifest import COMPONENT, find_manifest
from input_pipeline.provenance.manifest_store import line
from input_pipeline.provenance.marker_table import (
    CAPTURED,
    GENERATED,
    HINT,
    PARTS,
    PROOFS,
    marker_table,
)
from input_pipeline.provenance.statements import Statement, statements

_MAX_FOUND = 50
_LONGEST_NAME = 100  # characters
_MAKERS = (
    "Artist",
    "Author",
    "creator",
    "Byline",
)  # fields whose text is the name, where it counts
_AI_FIELDS = "XMP AI"  # IPTC's, of the program and its prompt
# Programs that keep off generators, or find their work, name them too.
_DENIED = re.compile(
    r"\b(?:no|not|never|without|against|anti|opt(?:ed)?[- ]?out|noai|block\w*|detect\w*)\b",
    re.IGNORECASE,
)
_NAMES_WITHIN = 5_000  # characters of a text; names stand at its beginning


class Found(NamedTuple):
    """A marker that a file carries."""

    field: str  # where it stands, such as ``EXIF Software``
    program: str  # who writes it; empty where only the text says
    proves: str  # of `PROOFS`
    text: str  # of the field
    at: int  # where in the text it begins
    known_from: str  # source of the table's entry


class Provenance(NamedTuple):
    """What a file says; all of it can be forged, and nothing found means nothing."""

    source: str  # the strongest of `PROOFS` but a hint; empty where the file does not say
    generator: str  # the program that the strongest markers name; empty where they name none
    markers: tuple[Found, ...]  # the strongest first
    has_credentials: bool  # whether a Content Credentials manifest is there; it is not verified
    digital_source_type: str  # IPTC's term of the strongest; empty without
    bytes_after_end: int  # bytes that follow the end of the picture
    statements: tuple[Statement, ...]  # all fields and their texts


def read_provenance(data: bytes) -> Provenance:
    """Reads everything that a file says of itself; damaged parts are left out, nothing raises."""
    layout = take_apart(data)
    manifest = find_manifest(data, layout)
    said = statements(data, layout, manifest)
    markers = sorted(_markers(said), key=lambda found: PROOFS.index(found.proves))
    source = next((found.proves for found in markers if found.proves != HINT), "")
    return Provenance(
        source=source,
        generator=_generator(markers, source),
        markers=tuple(markers[:_MAX_FOUND]),
        has_credentials=bool(manifest),
        digital_source_type=_source_type(markers),
        bytes_after_end=len(bytes_after_end(data, layout)),
        statements=tuple(said),
    )


def _markers(said: Sequence[Statement]) -> Iterator[Found]:
    """Each marker once per field, and the names beside them."""
    table = marker_table()
    seen: set[tuple[str, str, str]] = set()
    structure: list[Found] = []
    names: list[Found] = []
    for field, text in said:
        if table.rights.match(field):
            continue
        for marker in table.markers:
            if marker.fields.match(field) and (match := marker.text.search(text)):
                structure.append(
                    Found(field, marker.program, marker.proves, text, match.start(), marker.source)
                )
        names += _names(field, text)
    structure, names = [_of_whole(f) for f in structure], [_of_whole(f) for f in names]
    # Where IPTC's vocabulary says that only parts are generated, a name says by what.
    declared = {
        found.proves
        for found in structure
        if found.field.endswith("igitalSourceType")
        and not (COMPONENT in found.field and found.proves == HINT)
    }
    in_parts = declared and GENERATED not in declared and HINT not in declared
    names += [found for found in structure if found.field.startswith(_AI_FIELDS)]
    structure = [found for found in structure if not found.field.startswith(_AI_FIELDS)]
    for found in [*structure, *(n._replace(proves=PARTS) if in_parts else n for n in names)]:
        key = (found.field, found.program, found.proves)
        if key not in seen:
            seen.add(key)
            yield found


def _of_whole(found: Found) -> Found:
    """What a marker proves of the picture, where it is of another that was put into it."""
    if COMPONENT not in found.field:
        return found
    return found._replace(proves={GENERATED: PARTS, CAPTURED: HINT}.get(found.proves, found.proves))


def _names(field: str, text: str) -> Iterator[Found]:
    table, text = marker_table(), text[:_NAMES_WITHIN]
    names_software = table.software.match(field) or table.devices.match(field)
    if not (names_software or table.comments.match(field)) or not table.any_name.search(text):
        return
    if names_software and _DENIED.search(text):
        return
    for name in table.names:
        pattern = name.as_comment
        if names_software:
            pattern = name.as_software if table.software.match(field) else name.as_device
        if match := pattern.search(text):
            where = name.words.search(text, match.start())
            at = where.start() if where else match.start()
            yield Found(field, name.program, GENERATED, text, at, name.source)


def _generator(markers: Sequence[Found], source: str) -> str:
    if source not in (GENERATED, PARTS):
        return ""
    programs = [found.program for found in markers if found.program and found.proves == source]
    programs += [f.text for f in markers if f.field.endswith(_MAKERS) and f.proves == source]
    stated = [f.text.strip() for f in markers if f.field == "XMP AISystemUsed" and f.text.strip()]
    # "a Stable Diffusion program" says less than a name does.
    named = next(iter([*stated[:1], *sorted(programs, key=lambda p: p.startswith("a "))]), "")
    return line(named[:_LONGEST_NAME])


def _source_type(markers: Sequence[Found]) -> str:
    for found in markers:
        if found.field.endswith("igitalSourceType"):
            return found.text[found.at :].strip("/ ").rpartition("/")[2][:100]
    return ""
