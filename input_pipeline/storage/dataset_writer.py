"""Writing prepared data sets: records to shards, and what describes them, for us and for TFDS."""

import itertools
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from input_pipeline.errors import UserError
from input_pipeline.storage.atomic_files import new_directory, write_json
from input_pipeline.storage.csv_files import write_csv
from input_pipeline.storage.prepared_dataset import (
    DATASET_FILE,
    FILES_TABLE,
    FORMAT_VERSION,
    SKIPPED_FILE,
    PreparedDataset,
)
from input_pipeline.storage.records import ImageRecord
from input_pipeline.storage.shard_writer import (
    LINE_END,
    Skipped,
    common_layout,
    finished_shards,
    name_shards,
    remove_progress,
    write_files_table,
    write_split,
)
from input_pipeline.storage.tfds_metadata import write_tfds_metadata

SHARD_BYTES = 256 * 1024 * 1024
VERSION = "1.0.0"
# What TFDS accepts in the names of data sets and splits.
_NAME = re.compile(r"[a-z][a-z0-9_]*")


def write_dataset(
    output: str | os.PathLike[str],
    name: str,
    records_by_split: Mapping[str, Iterable[ImageRecord]],
    info: Mapping[str, Any],
    *,
    shard_bytes: int = SHARD_BYTES,
) -> PreparedDataset:
    """Writes a prepared data set; the directory appears only once it is complete.

    Args:
      output: the directory to write; it must not exist, or be empty.
      name: name of the data set: lower-case letters, digits, underscores.
      records_by_split: {split name: its records in order}; each iterable is read once, in turn, and
        never held as a whole. All records have the same storage.
      info: JSON values to keep in `dataset.json`, see `finish_dataset`.
      shard_bytes: a shard is closed when it has reached this size.

    Returns:
      The data set, opened.

    Raises:
      ValueError: a name is not allowed, the output exists, or a record does not fit the others.
    """
    check_names(name, records_by_split)
    with new_directory(Path(output)) as folder:
        for split, records in records_by_split.items():
            write_split(folder, split, records, shard_bytes)
        finish_dataset(folder, name, list(records_by_split), info)
    return PreparedDataset.load(output)


def check_names(name: str, splits: Iterable[str]) -> None:
    """Raises ValueError where a name of a data set or split is not allowed."""
    for kind, value in [("data set", name), *(("split", split) for split in splits)]:
        if not _NAME.fullmatch(value):
            raise UserError(
                f"{kind} name {value!r} is not allowed: use lower-case letters, digits and "
                "underscores, a letter first."
            )


def finish_dataset(
    folder: Path,
    name: str,
    split_names: Sequence[str],
    info: Mapping[str, Any],
    strays: Iterable[Skipped] = (),
) -> None:
    """Makes a data set of a directory whose shards are all written; may be repeated.

    Args:
      folder: where `write_split` has written every split.
      name: name of the data set.
      split_names: its splits.
      info: JSON values to keep in `dataset.json`. `fingerprint` is the SHA-256 of the content
        unless given; `version`, `licence`, `homepage`, `citation` and `title` go to TFDS as well.
      strays: files of the source that count nowhere.

    Raises:
      ValueError: a split has no images, or records differ in storage.
    """
    if not (folder / DATASET_FILE).exists():
        shards = [shard for split in split_names for shard in finished_shards(folder, split)]
        splits = {split: name_shards(folder, name, split) for split in split_names}
        content = write_files_table(folder, split_names, folder / FILES_TABLE)
        skipped = itertools.chain(*(shard.skipped for shard in shards), strays)
        left_out = (entry[:2] for entry in skipped)
        write_csv(folder / SKIPPED_FILE, ("path", "reason"), left_out, line_end=LINE_END)
        storage, shape = common_layout(shards)
        description = {
            **{"version": VERSION, **info, "format": FORMAT_VERSION, "name": name},
            "storage": storage,
            "image_size": shape[0] if shape and shape[0] == shape[1] else None,
            "fingerprint": info.get("fingerprint", content),
            "content_sha256": content,
            "splits": {split: asdict(entry) for split, entry in splits.items()},
        }
        stored_shape = shape if storage == "decoded" else None
        write_tfds_metadata(folder, splits, stored_shape, description)
        write_json(folder / DATASET_FILE, description, durable=True)
    remove_progress(folder)
