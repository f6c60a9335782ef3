"""The catalogue as text, for `prepare --list`."""

import textwrap
from collections.abc import Iterator

from input_pipeline.prepare.catalog import catalog
from input_pipeline.prepare.catalog_entry import CatalogEntry, Generator

_WIDTH = 100


def format_catalog() -> str:
    """Returns every entry: table, protocol, generators with counts, where to get it, terms."""
    return "\n\n".join("\n".join(_lines(entry)) for entry in catalog())


def _lines(entry: CatalogEntry) -> Iterator[str]:
    table = f" (Table {entry.table})" if entry.table else ""
    yield f"{entry.name}{table}: {entry.title}"
    for split, protocol in entry.protocol.items():
        yield f"  {split}: {protocol.note}"
    for split in entry.protocol:
        names = ", ".join(_generator(generator, split) for generator in entry.generators)
        yield from _wrap(f"{split} generators", names)
    if entry.beside:
        yield from _wrap("not counted", ", ".join(g.folder for g in entry.beside))
    if entry.photographs:
        yield from _wrap("shared photographs", ", ".join(entry.photographs))
    if entry.counts_from:
        yield from _wrap("counts", entry.counts_from)
    yield from _wrap("published", entry.homepage)
    yield from _wrap("terms", entry.terms)
    yield from _wrap("cite", entry.citation)


def _generator(generator: Generator, split: str) -> str:
    count = dict(generator.images).get(split)
    facts = [generator.title] if generator.title != generator.folder else []
    if count is not None:
        facts.append(f"{count:,} images")
    if generator.classes:
        facts.append(f"{len(generator.classes)} classes")
    return f"{generator.folder} ({', '.join(facts)})" if facts else generator.folder


def _wrap(label: str, text: str) -> list[str]:
    return textwrap.wrap(
        text,
        _WIDTH,
        initial_indent=f"  {label}: ",
        subsequent_indent="    ",
        break_on_hyphens=False,
    )
