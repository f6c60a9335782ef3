"""Writing prepared data sets: records to shards, and what describes them, for us and for TFDS.

TensorFlow Datasets (TFDS) opens a directory of shards by `features.json`, the names, types and
shapes of a record's fields, `dataset_info.json`, the splits and their shards, and one file per
field of classes, the classes' names. All are the JSON form of its protocol buffers, in which 64-bit
integers are strings and empty values are left out:
https://www.tensorflow.org/datasets/external_tfrecord. They are written without it, and equal, byte
for byte, those of `tfds.folder_dataset.write_metadata` in TFDS 4.9.
"""

import itertools
import json
import os
import re
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from input_pipeline.errors import UserError
from input_pipeline.storage.atomic_files import new_directory, write_file, write_json
from input_pipeline.storage.csv_files import write_csv
from input_pipeline.storage.prepared_dataset import (
    DATASET_FILE,
    FILES_TABLE,
    FORMAT_VERSION,
    SKIPPED_FILE,
    PreparedDataset,
    Split,
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

SHARD_BYTES = 256 * 1024 * 1024
VERSION = "1.0.0"
# What TFDS accepts in the names of data sets and splits.
_NAME = re.compile(r"[a-z][a-z0-9_]*")
_FEATURES = "tensorflow_datasets.core.features"
_TEXT_FIELDS = ("storage", "generator", "filename", "class", "sha256")
_CLASSES = ("photograph", "generated")
# How TFDS finds the shards: <name>-<split>.tfrecord-00000-of-00001.
_TEMPLATE = "{DATASET}-{SPLIT}.{FILEFORMAT}-{SHARD_X_OF_Y}"


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
      name: of the data set: lower-case letters, digits, underscores.
      records_by_split: {split name: its records in order}; each iterable is read once, in turn, and
        never held as a whole. All records have the same storage.
      info: JSON values to keep in `dataset.json`, see `finish_dataset`.
      shard_bytes: a shard is closed when it has reached this size.

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
    named = [("data set", name, "--name=my_pictures")]
    named += [("split", split, "--split=test") for split in splits]
    for kind, value, example in named:
        if not _NAME.fullmatch(value):
            raise UserError(
                f"{kind} name {value!r} is not allowed: use lower-case letters, digits and "
                f"underscores, a letter first, as in {example}."
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
      name: of the data set; `split_names`: of its splits.
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
            "version": VERSION,
            **info,
            "format": FORMAT_VERSION,
            "name": name,
            "storage": storage,
            "image_size": shape[0] if shape and shape[0] == shape[1] else None,
            "fingerprint": info.get("fingerprint", content),
            "content_sha256": content,
            "splits": {split: asdict(entry) for split, entry in splits.items()},
        }
        if any(shard.paired for shard in shards if shard.records):
            description["paired"] = True
        stored_shape = shape if storage == "decoded" else None
        _write_tfds_metadata(folder, splits, stored_shape, description)
        write_json(folder / DATASET_FILE, description, durable=True)
    remove_progress(folder)


def _write_tfds_metadata(
    folder: Path, splits: Mapping[str, Split], shape: tuple | None, description: Mapping[str, Any]
) -> None:
    """Writes the files for TFDS and, if there is one, `LICENSE`.

    The shape is the height and width of all images where pixels are stored; None where files are.
    """
    fields = _fields(shape, description.get("paired", False))
    features = _described("features_dict.FeaturesDict", featuresDict={"features": fields})
    write_file(folder / "features.json", json.dumps(features, indent=4, sort_keys=True))
    write_file(folder / "label.labels.txt", "".join(f"{name}\n" for name in _CLASSES))
    info = _dataset_info(splits, description)
    write_file(folder / "dataset_info.json", json.dumps(info, indent=2, sort_keys=True))
    if licence := description.get("licence"):
        write_file(folder / "LICENSE", licence)


def _fields(shape: tuple[int, int] | None, paired: bool) -> dict[str, Any]:
    """The fields of a record, as `records.py` writes them."""
    names = (*_TEXT_FIELDS, *(("pair",) if paired else ()))
    fields = {name: _described("text_feature.Text", text={}) for name in names}
    for name in ("height", "width"):
        fields[name] = _described("scalar.Scalar", tensor=_tensor("int64"))
    fields["label"] = _described(
        "class_label_feature.ClassLabel", classLabel={"numClasses": str(len(_CLASSES))}
    )
    image = _tensor("string") if shape is None else _tensor("uint8", "bytes", (*shape, 3))
    fields["image"] = _described("tensor_feature.Tensor", tensor=image)
    return fields


def _described(class_name: str, **content: Any) -> dict[str, Any]:
    return {"pythonClassName": f"{_FEATURES}.{class_name}", **content}


def _tensor(dtype: str, encoding: str = "none", shape: tuple[int, ...] = ()) -> dict[str, Any]:
    dimensions = {"dimensions": [str(size) for size in shape]} if shape else {}
    return {"dtype": dtype, "encoding": encoding, "shape": dimensions}


def _dataset_info(splits: Mapping[str, Split], description: Mapping[str, Any]) -> dict[str, Any]:
    text = (
        f"{description.get('title', description['name'])}: photographs (label 0) and generated "
        f"images (label 1), written by npr_jax. SHA-256 over all files: "
        f"{description['content_sha256']}; of each file: {FILES_TABLE}."
    )
    licence = description.get("licence")
    info = {
        "name": description["name"],
        "version": description["version"],
        "description": text,
        "disableShuffling": True,
        "fileFormat": "tfrecord",
        "redistributionInfo": {"license": licence} if licence else {},
        "splits": [
            {
                "filepathTemplate": _TEMPLATE,
                "name": name,
                "numBytes": str(split.num_bytes),
                "shardLengths": [str(length) for length in split.shard_lengths],
            }
            for name, split in splits.items()
        ],
    }
    if citation := textwrap.dedent(description.get("citation", "")).strip():
        info["citation"] = citation
    if homepage := description.get("homepage"):
        info["location"] = {"urls": [homepage]}
    return info
