"""What a file says of itself, and the mark in its pixels, as cells of a table."""

import pathlib
from typing import NamedTuple

from input_pipeline.images.invisible_mark import find_mark
from input_pipeline.images.problems import UnreadableImageError
from input_pipeline.images.transforms import decode
from input_pipeline.provenance.credentials import read_credentials
from input_pipeline.provenance.report import read_provenance
from input_pipeline.provenance.trust_lists import TrustList

NOT_LOOKED_FOR = "not looked for"


class ProvenanceCells(NamedTuple):
    """A row's cells; one is empty where nothing was found, which means nothing."""

    source: str = ""  # see `report.Provenance`
    generator: str = ""
    credentials: str = ""  # see `credentials.STATES`
    mark: str = ""  # whose invisible mark the pixels carry, see `invisible_mark.MARKS`
    mark_p_value: str = ""  # chance of reading as much of it in a picture without; of a mark found


def provenance_cells(path: str, trust_list: TrustList, *, with_mark: bool) -> ProvenanceCells:
    """The cells of one file; all are empty for one that cannot be read.

    Args:
      path: the file.
      trust_list: whose signatures under Content Credentials count.
      with_mark: whether to decode its pixels and look for a mark.
    """
    try:
        if not pathlib.Path(path).is_file():  # a pipe would keep its reader waiting
            return ProvenanceCells()
        data = pathlib.Path(path).read_bytes()
    except OSError:
        return ProvenanceCells()
    said = read_provenance(data)
    credentials = ""
    if said.has_credentials:
        credentials = read_credentials(data, trust_list, said.statements).in_words()
    mark = _mark(data) if with_mark else (NOT_LOOKED_FOR, "")
    return ProvenanceCells(said.source, said.generator, credentials, *mark)


def p_value_in_words(p_value: float) -> str:
    """A p-value as tables have it, such as ``3.2e-38``."""
    return f"{p_value:.1e}"


def _mark(data: bytes) -> tuple[str, str]:
    try:
        found = find_mark(decode(data))
    except UnreadableImageError:
        return NOT_LOOKED_FOR, ""
    return (found.name, p_value_in_words(found.p_value)) if found else ("", "")
