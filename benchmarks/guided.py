"""Damaged files led by coverage, for our own parsers: files that reach new lines are damaged on.

    pip install atheris    # Linux, Python 3.11 to 3.13; this project does not need it
    python benchmarks/guided.py PARSER CORPUS_FOLDER [-max_total_time=60 -timeout=20 ...]

PARSER is one of `PARSERS`; the folder holds files to begin with, and gets those that reached
something new. All flags after them are libFuzzer's. It ends with the first error that is no
`UserError`, and writes the file that raised it.
"""

from __future__ import annotations

import contextlib
import io
import pathlib
import sys
from collections.abc import Callable

import atheris

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
with atheris.instrument_imports(include=["input_pipeline", "npr_jax.serving"]):
    from input_pipeline.errors import UserError
    from input_pipeline.images.essentials import completed, pixels_only
    from input_pipeline.images.iso_boxes import check_boxes
    from input_pipeline.images.kinds import why_not_opened, why_not_read
    from input_pipeline.images.transforms import named_reasons
    from input_pipeline.provenance.exif import exif_texts
    from input_pipeline.provenance.iptc import iim_texts, photoshop_resources
    from input_pipeline.provenance.manifest import manifest_texts
    from input_pipeline.provenance.report import read_provenance
    from input_pipeline.provenance.xmp import xmp_properties
    from input_pipeline.storage.records import decode_record
    from input_pipeline.storage.row_formats import CsvRows, JsonRows
    from input_pipeline.storage.whole_content import json_object
    from npr_jax.serving.limits import Limits
    from npr_jax.serving.uploads import expand


def metadata(data: bytes) -> None:
    """The first byte says which kind of metadata the others are."""
    kind, body = data[:1], data[1:]
    if kind < b"\x40":
        [*exif_texts(body)]
    elif kind < b"\x80":
        xmp_properties(body)
    elif kind < b"\xc0":
        [*manifest_texts(body)]
    else:
        for _, record in photoshop_resources(body):
            [*iim_texts(record)]


def containers(data: bytes) -> None:
    """What is done to a file before a decoder sees it."""
    with named_reasons(data):
        why_not_read(data)
        why_not_opened(data)
        pixels_only(data)
        completed(data)
    check_boxes(data)


def rows(data: bytes) -> None:
    """Tables that are gone on with, and objects in JSON."""
    for form in (CsvRows(("path", "score")), JsonRows(("path", "score"))):
        [*form.read(io.BytesIO(data))]
    json_object(data, "a file", "make it anew")


def archive(data: bytes) -> None:
    """A zip file without its first four bytes."""
    [*expand([("a.zip", b"PK\x03\x04" + data)], Limits())]


PARSERS: dict[str, Callable[[bytes], object]] = {
    "archive": archive,
    "containers": containers,
    "metadata": metadata,
    "provenance": read_provenance,
    "record": decode_record,
    "rows": rows,
}


def main() -> None:
    """Never returns."""
    if len(sys.argv) < 3 or sys.argv[1] not in PARSERS:
        sys.exit(__doc__)
    parse = PARSERS[sys.argv.pop(1)]

    def once(data: bytes) -> None:
        with contextlib.suppress(UserError):
            parse(data)

    atheris.Setup(sys.argv, once)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
