"""Pictures that lie in files with others: WebDataset tars and our prepared data sets."""

import io
import pathlib
import tarfile
import tempfile
from collections.abc import Iterator

import numpy as np

from input_pipeline.errors import UserError
from input_pipeline.images.file_tree import left_out_as
from input_pipeline.storage.csv_files import iter_csv
from input_pipeline.storage.prepared_dataset import DATASET_FILE, FILES_TABLE
from input_pipeline.storage.tfrecord import INDEX_SUFFIX
from input_pipeline.storage.whole_content import json_object, whole_content
from npr_jax.cluster.places import Place
from npr_jax.cluster.rows import PART, RECORD, Row

# What WebDataset keeps beside a picture besides texts, which are left out of folders too.
_BESIDE = (
    ".cls",
    ".cls2",
    ".index",
    ".id",
    ".npy",
    ".npz",
    ".pth",
    ".pt",
    ".pickle",
    ".pkl",
    ".mp",
)


def rows_of_tar(place: Place, path: str, name: str) -> Iterator[Row]:
    """The pictures in a tar, each as ``NAME/member``; only headers are read.

    Args:
        place: of the tar; ``path``: its place as workers are told it.
        name: as the user gave it.

    Raises:
        UserError: for what is no tar, or a compressed one.
    """
    try:
        with (
            place.system.open_input_file(place.path) as file,
            tarfile.open(fileobj=file, mode="r:") as tar,
        ):
            for member in tar:
                left_out = left_out_as(member.name.split("/"))
                if member.isfile() and not left_out and not member.name.lower().endswith(_BESIDE):
                    at = f"{name}/{member.name}"
                    yield Row(at, path, PART, member.offset_data, member.size)
                tar.members.clear()  # type: ignore[attr-defined]  # it keeps all that it has read
    except tarfile.TarError as error:
        raise UserError(
            f"{name} cannot be read as a tar: {error}; give one that is whole and not compressed"
        ) from error


def is_prepared(place: Place) -> bool:
    """Whether a folder is a data set that ``prepare`` has written."""
    return bool(place.system.get_file_info((place / DATASET_FILE).path).is_file)


def rows_of_prepared(place: Place, path: str) -> Iterator[Row]:
    """The records of a prepared data set, each as ``split/filename``.

    ``path``: of the folder, as workers are told it. ``UserError`` where its files do not agree.
    """
    remedy = "copy the whole data set, or prepare it again"
    info = json_object(_content(place / DATASET_FILE), f"{path}/{DATASET_FILE}", remedy)
    with whole_content(path, remedy), tempfile.TemporaryDirectory(prefix="npr-jax-") as scratch:
        table = pathlib.Path(scratch, FILES_TABLE)  # its rows are in the order of the records
        table.write_bytes(_content(place / FILES_TABLE))
        files = iter_csv(table)
        for split, entry in info["splits"].items():
            for shard in entry["shards"]:
                index = np.load(io.BytesIO(_content(place / (shard + INDEX_SUFFIX))))
                for start, size in index[1:].tolist():
                    file = next(files, {"split": ""})
                    if file["split"] != split:
                        raise UserError(
                            f"{path}: {FILES_TABLE} and the shards disagree; prepare it again"
                        )
                    name = f"{split}/{file['filename']}"
                    yield Row(name, f"{path}/{shard}", RECORD, start, size)


def _content(place: Place) -> bytes:
    try:
        with place.system.open_input_file(place.path) as file:
            return file.read()
    except FileNotFoundError as error:
        raise UserError(
            f"{place.path} is missing; copy the whole data set, or prepare it again"
        ) from error
