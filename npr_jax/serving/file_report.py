"""What a picture's file says of itself, as the API and the page tell it."""

import numpy as np
from PIL import Image

from input_pipeline.images.codecs import PILLOW_ERRORS
from input_pipeline.images.invisible_mark import find_mark
from input_pipeline.images.jpeg_tables import LOW_FREQUENCIES
from input_pipeline.images.metadata import FileFacts, read_facts
from input_pipeline.images.problems import UnreadableImageError
from input_pipeline.images.transparency import transparent_share_of
from input_pipeline.provenance.credentials import read_credentials
from input_pipeline.provenance.report import Found, Provenance, read_provenance
from input_pipeline.provenance.trust_lists import TrustList
from npr_jax.serving.schema import (
    ActionAnswer,
    CredentialsAnswer,
    FactsAnswer,
    HintAnswer,
    MarkAnswer,
)

MAX_SHOWN = 300  # characters of one text
_MAX_HINTS = 12
_MAX_TEXTS = 50


def report_mark(pixels: np.ndarray) -> MarkAnswer:
    """What is found in a file's own pixels, uint8 ``[h, w, 3]``."""
    found = find_mark(pixels)
    return MarkAnswer(program=found.name if found else "", p_value=found and found.p_value)


def report_file(
    data: bytes, trust_list: TrustList, mark: MarkAnswer | None = None
) -> FactsAnswer | None:
    """What the file says; None where its header cannot be read. Damaged metadata is left out.

    Signatures count as the list says. The mark is what was found in its pixels; None where nobody
    looked.
    """
    try:
        facts = read_facts(data)
    except (*PILLOW_ERRORS, Image.DecompressionBombError):
        return None
    said = read_provenance(data)
    fields: dict[str, str] = {}
    for name, text in said.statements:
        fields.setdefault(name, text)
    camera = " ".join(fields[key] for key in ("EXIF Make", "EXIF Model") if fields.get(key))
    software = (fields.get(key, "") for key in ("EXIF Software", "PNG Software", "XMP CreatorTool"))
    return FactsAnswer(
        format=facts.format,
        width=facts.width,
        height=facts.height,
        num_bytes=facts.num_bytes,
        orientation=facts.orientation,
        pictures=facts.pictures,
        transparent=_transparent(data, facts),
        jpeg_quality=facts.quality,
        jpeg_certainty=facts.certainty,
        jpeg_encoder=facts.encoder,
        jpeg_setting=facts.setting,
        jpeg_steps=tuple(facts.steps[place] for place in LOW_FREQUENCIES) if facts.steps else (),
        bits_per_pixel=8 * facts.num_bytes / (facts.width * facts.height),
        subsampling=facts.subsampling,
        camera=_shown(camera),
        software=_shown(next(filter(None, software), "")),
        source=said.source,
        generator=_shown(said.generator),
        digital_source_type=_shown(said.digital_source_type),
        credentials=_credentials(data, said, trust_list) if said.has_credentials else None,
        generator_hints=tuple(map(_hint, said.markers[:_MAX_HINTS])),
        mark=mark,
        bytes_after_end=said.bytes_after_end,
        texts=tuple(fields)[:_MAX_TEXTS],
    )


def _transparent(data: bytes, facts: FileFacts) -> float | None:
    try:
        return transparent_share_of(data, facts)
    except UnreadableImageError:
        return None


def _credentials(data: bytes, said: Provenance, trust_list: TrustList) -> CredentialsAnswer:
    found = read_credentials(data, trust_list, said.statements)
    actions = tuple(ActionAnswer(**action._asdict()) for action in found.actions)
    fields = found._asdict() | {"actions": actions, "trust_list": trust_list.name}
    return CredentialsAnswer(**fields)


def _hint(found: Found) -> HintAnswer:
    start = max(0, found.at - MAX_SHOWN // 3)
    return HintAnswer(
        where=found.field,
        text=_shown(("…" if start else "") + found.text[start : start + 2 * MAX_SHOWN]),
        program=found.program,
        proves=found.proves,
    )


def _shown(text: str) -> str:
    """On one line, printable and not too long."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text[: 4 * MAX_SHOWN]).split())
    return line if len(line) <= MAX_SHOWN else line[: MAX_SHOWN - 1] + "…"
