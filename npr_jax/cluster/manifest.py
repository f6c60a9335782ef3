"""All that is to be scored, as Parquet files of a job: a row for each picture, numbered.

The number is what Ray's checkpoint keeps of a scored picture: eight bytes, however long its name.
"""

import collections
from collections.abc import Iterable
from typing import Any

import numpy as np

from input_pipeline.errors import UserError
from npr_jax.cluster.duplicates import Fingerprints
from npr_jax.cluster.places import Place
from npr_jax.cluster.rows import Row

ROWS_PER_FILE = 1_000_000
ROWS_PER_GROUP = 10_000  # of a Parquet file; the least that a reader holds in memory


def schema() -> Any:
    """The columns of the manifest besides `row`: the fields of ``Row``."""
    import pyarrow as pa

    texts = {str: pa.string(), int: pa.int64()}
    return pa.schema([(name, texts[kind]) for name, kind in Row.__annotations__.items()])


def write_manifest(tables: Iterable[Any], folder: Place) -> int:
    """Writes the rows and returns their number; an id that comes twice is refused.

    Args:
        tables: of the columns of `schema`, each as large as memory allows.
        folder: where the files go; made where missing.

    Raises:
        UserError: for ids that occur twice, or no row at all.
    """
    import pyarrow as pa
    from pyarrow import parquet

    folder.system.create_dir(folder.path, recursive=True)
    rows, number, writer = 0, 0, None
    with Fingerprints() as fingerprints:
        try:
            for table in tables:
                numbers = pa.array(np.arange(rows, rows + len(table)))
                table = table.add_column(0, "row", numbers)
                if writer is None:
                    file = folder / f"{number:05d}.parquet"
                    writer = parquet.ParquetWriter(
                        file.path, table.schema, filesystem=file.system, compression="zstd"
                    )
                writer.write_table(table, row_group_size=ROWS_PER_GROUP)
                fingerprints.add(table["id"])
                rows += len(table)
                if rows >= (number + 1) * ROWS_PER_FILE:
                    writer.close()
                    writer, number = None, number + 1
        finally:
            if writer is not None:
                writer.close()
        if not rows:
            raise UserError("there is nothing to score; give image files or folders that hold some")
        if (doubtful := fingerprints.twice()).size:
            _refuse_duplicates(folder, doubtful)
    return rows


def _refuse_duplicates(folder: Place, doubtful: np.ndarray) -> None:
    """Raises where ids of these fingerprints are really equal."""
    from npr_jax.cluster.duplicates import fingerprint

    counts: collections.Counter[str] = collections.Counter()
    for batch in batches(folder, ["id"]):
        ids = batch.column("id")
        found = np.isin(fingerprint(ids), doubtful)
        counts.update(np.asarray(ids)[found].tolist())
    twice = [name for name, count in counts.items() if count > 1]
    if twice:
        shown = ", ".join(sorted(twice)[:3]) + (", ..." if len(twice) > 3 else "")
        raise UserError(
            f"{len(twice)} of the pictures are named more than once: {shown}; name each once"
        )


def batches(folder: Place, columns: list[str], *, size: int = 65_536) -> Iterable[Any]:
    """The rows of a folder's Parquet files, in their order, as record batches.

    What lies in folders below that begin with ``_`` does not count.
    """
    from pyarrow import dataset

    files = dataset.dataset(folder.path, filesystem=folder.system, format="parquet")
    return files.to_batches(
        columns=columns, batch_size=size, batch_readahead=1, fragment_readahead=1
    )
