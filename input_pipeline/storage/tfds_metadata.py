"""The files that let TensorFlow Datasets (TFDS) read a data set; written without it.

TFDS opens a directory of shards by `features.json`, the names, types and shapes of a record's
fields, `dataset_info.json`, the splits and their shards, and one file per field of classes, the
classes' names. All are the JSON form of its protocol buffers, in which 64-bit integers are strings
and empty values are left out: https://www.tensorflow.org/datasets/external_tfrecord. They equal,
byte for byte, those of `tfds.folder_dataset.write_metadata` in TFDS 4.9.
"""

import json
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from input_pipeline.storage.atomic_files import write_file
from input_pipeline.storage.prepared_dataset import FILES_TABLE, Split

_FEATURES = "tensorflow_datasets.core.features"
_TEXT_FIELDS = ("storage", "generator", "filename", "class", "sha256")
_CLASSES = ("photograph", "generated")
# How TFDS finds the shards: <name>-<split>.tfrecord-00000-of-00001.
_TEMPLATE = "{DATASET}-{SPLIT}.{FILEFORMAT}-{SHARD_X_OF_Y}"


def write_tfds_metadata(
    folder: Path,
    splits: Mapping[str, Split],
    shape: tuple[int, int] | None,
    description: Mapping[str, Any],
) -> None:
    """Writes `features.json`, `dataset_info.json`, `label.labels.txt` and, if any, `LICENSE`.

    Args:
      folder: directory of the shards.
      splits: {name: split}, in order.
      shape: height and width in pixels that all images share, where their pixels are stored; None
        where image files are.
      description: the content of `dataset.json`: `name`, `version`, `content_sha256`, and
        optionally `title`, `homepage`, `citation`, `licence`.
    """
    features = _described("features_dict.FeaturesDict", featuresDict={"features": _fields(shape)})
    write_file(folder / "features.json", _json(features, indent=4))
    write_file(folder / "label.labels.txt", "".join(f"{name}\n" for name in _CLASSES))
    write_file(folder / "dataset_info.json", _json(_dataset_info(splits, description), indent=2))
    if licence := description.get("licence"):
        write_file(folder / "LICENSE", licence)


def _fields(shape: tuple[int, int] | None) -> dict[str, Any]:
    """The fields of a record, as `records.py` writes them."""
    fields = {name: _described("text_feature.Text", text={}) for name in _TEXT_FIELDS}
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


def _json(content: Mapping[str, Any], *, indent: int) -> str:
    return json.dumps(content, indent=indent, sort_keys=True)
