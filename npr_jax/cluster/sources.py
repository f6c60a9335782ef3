"""What the user names -> the rows of a manifest: folders, files, lists and tables of pictures."""

import io
import itertools
import os
import posixpath
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from input_pipeline.errors import UserError
from input_pipeline.images.file_tree import left_out_as, walk_files
from input_pipeline.storage.whole_content import DAMAGES
from npr_jax.cluster.archives import is_prepared, rows_of_prepared, rows_of_tar
from npr_jax.cluster.manifest import schema
from npr_jax.cluster.places import Place, bucket_of, place_of
from npr_jax.cluster.rows import CELL, FILE, Row

ROWS = 10_000  # of a table that is handed on
LIST, TABLE, TAR = ".txt", ".parquet", ".tar"


def tables_of(names: Sequence[str]) -> Iterator[Any]:
    """The manifest's rows for paths and URIs, as pyarrow tables.

    Args:
        names: each a folder, all files below which are meant, or that of a prepared data set; a
            picture; a ``.tar`` of pictures; a ``.txt`` with a path or URI in each line; a
            ``.parquet`` with a column ``path`` or ``bytes``, and where ids are not those paths,
            ``id``.

    Raises:
        UserError: for what does not exist or cannot be read as that.
    """
    for name in names:
        address = name.partition("?")[0]
        if address.endswith(TABLE):
            yield from _of_table(name)
        elif address.endswith(LIST):
            yield from _tables(_of_list(name))
        elif address.endswith(TAR):
            yield from _tables(_of_tar(name))
        elif "://" in name:
            yield from _tables(_of_store(name))
        else:
            yield from _tables(_of_disk(name))


def _tables(rows: Iterable[Row]) -> Iterator[Any]:
    import pyarrow as pa

    writable = map(_writable, rows)
    while some := list(itertools.islice(writable, ROWS)):
        columns = [list(column) for column in zip(*some, strict=True)]
        yield pa.table(columns, schema=schema())


def _writable(row: Row) -> Row:
    """The row, or where its names are no UTF-8, one that says so."""
    try:
        (row.id + row.path).encode()
    except UnicodeEncodeError:
        name = os.fsencode(row.id).decode("utf-8", "backslashreplace")
        return Row(name, name, problem="its name is no UTF-8, as names in Parquet are; rename it")
    return row


def _of_disk(name: str) -> Iterator[Row]:
    """A file, or all below a folder but what is no picture by its name."""
    if os.path.isdir(name) and is_prepared(place_of(name)):
        yield from rows_of_prepared(place_of(name), os.path.abspath(name))
    elif os.path.isdir(name):
        for file in walk_files(name):
            if not file.left_out:
                yield Row(file.path, os.path.abspath(file.path), problem=file.problem)
    elif os.path.lexists(name):
        problem = "" if os.path.exists(name) else "broken link"
        yield Row(name, os.path.abspath(name), problem=problem)
    else:
        raise UserError(f"{name} does not exist; give image files or folders")


def _of_tar(name: str) -> Iterator[Row]:
    if "://" not in name and not os.path.exists(name):
        raise UserError(f"{name} does not exist; give image files or folders")
    yield from rows_of_tar(place_of(name), _absolute(name), name.partition("?")[0])


def _of_list(name: str) -> Iterator[Row]:
    """A path or URI in each line, relative ones to the list."""
    place = place_of(name)
    base = _folder_of(name)
    with _opened(place, name) as file:
        for line in io.TextIOWrapper(file, encoding="utf-8", errors="surrogateescape"):
            if named := line.strip():
                yield Row(named, _joined(base, named))


def _of_store(name: str) -> Iterator[Row]:
    """The pictures of an object store below a prefix, by the rules of ``find_image_files``."""
    from pyarrow import fs

    place, bucket = place_of(name), bucket_of(name)
    root = place.system.get_file_info(place.path)
    if root.type == fs.FileType.File:
        yield Row(name.partition("?")[0], name.partition("?")[0])
        return
    if root.type == fs.FileType.NotFound:
        raise UserError(f"{name} does not exist; give a folder, a file or a table of pictures")
    if is_prepared(place):
        yield from rows_of_prepared(place, _absolute(name).rstrip("/"))
        return
    outside = place.path.partition("/")[0]
    waiting = [place.path]
    while waiting:
        found = place.system.get_file_info(fs.FileSelector(waiting.pop()))
        for entry in sorted(found, key=lambda entry: entry.path):
            parts = posixpath.relpath(entry.path, place.path).split("/")
            if entry.type == fs.FileType.Directory:
                waiting.append(entry.path)
            elif not left_out_as(parts):
                uri = bucket + entry.path.removeprefix(outside)
                yield Row(uri, uri)


def _of_table(name: str) -> Iterator[Any]:
    """The rows of a Parquet file, column by column: there may be hundreds of millions."""
    import pyarrow as pa

    with _opened(place_of(name), name) as opened:
        try:
            yield from _of_opened_table(opened, name)
        except UserError:
            raise
        # A file cut off is an `OSError` of Arrow's, as a store that cannot be reached is.
        except (OSError, pa.ArrowException, *DAMAGES) as error:
            reason = " ".join(str(error).split())
            raise UserError(f"{name} cannot be read as Parquet: {reason}") from error


def _of_opened_table(opened: Any, name: str) -> Iterator[Any]:
    import pyarrow as pa
    from pyarrow import compute, parquet

    base, file = _folder_of(name), parquet.ParquetFile(opened)
    has = set(file.schema_arrow.names)
    if not has & {"path", "bytes"} or (has.isdisjoint({"path", "id"})):
        raise UserError(
            f"{name} has the columns {', '.join(file.schema_arrow.names)}; expected path, or "
            "bytes with id or path"
        )
    named = "id" if "id" in has else "path"
    columns = sorted(has & {"id", "path"})
    for group in range(file.num_row_groups):
        seen = 0
        for batch in file.iter_batches(ROWS, row_groups=[group], columns=columns):
            n = len(batch)
            ids = batch.column(named).cast(pa.string())
            if "bytes" in has:
                where = pa.array([_absolute(name)] * n, pa.string())
                kind, starts, sizes = CELL, [group] * n, range(seen, seen + n)
            else:
                paths = batch.column("path").cast(pa.string())
                absolute = compute.match_substring_regex(paths, "^/|://")
                below = compute.binary_join_element_wise(base, paths, "")
                where = compute.if_else(absolute, paths, below)
                kind, starts, sizes = FILE, [0] * n, range(n)
            if ids.null_count or where.null_count:
                raise UserError(f"{name}: rows of row group {group} lack {named}; fill them in")
            seen += n
            yield pa.table(
                [ids, where, [kind] * n, list(starts), list(sizes), [""] * n], schema=schema()
            )


def _opened(place: Place, name: str) -> Any:
    try:
        return place.system.open_input_file(place.path)
    except FileNotFoundError as error:
        raise UserError(f"{name} does not exist; give image files or folders") from error


def _absolute(name: str) -> str:
    return name.partition("?")[0] if "://" in name else os.path.abspath(name)


def _folder_of(name: str) -> str:
    """Of a list or table, with the slash at its end."""
    return _absolute(name).rpartition("/")[0] + "/"


def _joined(base: str, name: str) -> str:
    return name if "://" in name or os.path.isabs(name) else base + name
