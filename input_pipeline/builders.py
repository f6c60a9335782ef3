"""Writing prepared data sets: records to shards with TFDS metadata, and `prepare` for folders.

TFDS, and TensorFlow behind it, is used in this module only, to write `features.json` and
`dataset_info.json`. Where they are not installed the data set is written all the same.
"""

import contextlib
import csv
import hashlib
import io
import json
import os
import re
import shutil
import tempfile
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from input_pipeline.folder_records import DecodingPool, FolderRecords
from input_pipeline.folders import Tree, walk_classes, walk_separate
from input_pipeline.prepared import (
    DATASET_FILE,
    FORMAT_VERSION,
    SKIPPED_FILE,
    PreparedDataset,
    Split,
    split_to_json,
)
from input_pipeline.records import GENERATED, STORAGES, ImageRecord, encode_record
from input_pipeline.tfrecord import INDEX_SUFFIX, ShardWriter, masked_crc32c
from input_pipeline.transforms import MAX_PIXELS

SHARD_BYTES = 256 * 1024 * 1024
# What TFDS accepts in the names of data sets and splits.
_NAME = re.compile(r"[a-z][a-z0-9_]*")


def write_dataset(
    output: str | os.PathLike[str],
    name: str,
    records_by_split: Mapping[str, Iterable[ImageRecord]],
    info: Mapping[str, Any],
    *,
    shard_bytes: int = SHARD_BYTES,
    skipped: Iterable[tuple[str, str]] | None = None,
) -> PreparedDataset:
    """Writes a prepared data set; the directory appears only once it is complete.

    Args:
      output: the directory to write; it must not exist, or be empty.
      name: name of the data set: lower-case letters, digits, underscores.
      records_by_split: {split name: its records in order}; each iterable is read once, in turn, and
        never held as a whole. All records have the same storage.
      info: JSON values to keep in `dataset.json`, such as where the images come from. `fingerprint`
        is the SHA-256 of the content unless given.
      shard_bytes: a shard is closed when it has reached this size.
      skipped: (path, reason) of the source's files that are not in the records; read at the end.

    Returns:
      The data set, opened.

    Raises:
      ValueError: a name is not allowed, the output exists, or a record does not fit the others.
    """
    output = Path(output)
    for kind, value in [("data set", name), *(("split", split) for split in records_by_split)]:
        if not _NAME.fullmatch(value):
            raise ValueError(
                f"{kind} name {value!r} is not allowed: use lower-case letters, digits and "
                "underscores, a letter first."
            )
    with new_directory(output) as folder:
        layout = _Layout()
        splits = {
            split: _write_split(folder, name, split, records, shard_bytes, layout)
            for split, records in records_by_split.items()
        }
        _write_skipped(folder / SKIPPED_FILE, skipped or ())
        _write_tfds_metadata(folder, splits, layout)
        description = {
            **info,
            "format": FORMAT_VERSION,
            "name": name,
            "storage": layout.storage,
            "image_size": layout.image_size,
            "fingerprint": info.get("fingerprint", layout.content.hexdigest()),
            "content_sha256": layout.content.hexdigest(),
            "splits": {split: split_to_json(entry) for split, entry in splits.items()},
        }
        (folder / DATASET_FILE).write_text(json.dumps(description, indent=2) + "\n")
    return PreparedDataset.load(output)


@contextlib.contextmanager
def new_directory(output: Path) -> Iterator[Path]:
    """Yields a directory beside `output` that becomes `output` when the block ends without error.

    Raises:
      ValueError: `output` exists and is not an empty directory.
    """
    output = Path(os.path.abspath(output))
    if output.exists() and not (output.is_dir() and not any(output.iterdir())):
        raise ValueError(
            f"output {output} exists already. Give another path, or remove it first: nothing is "
            "overwritten."
        )
    output.parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=f".{output.name}.partial-", dir=output.parent))
    try:
        yield folder
        folder.chmod(0o755)
        os.replace(folder, output)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


@dataclass(frozen=True)
class PrepareSummary:
    """What `prepare` did.

    Attributes:
      output: the data set.
      splits: {name: Split}, with images per generator and class.
      unreadable: (path, reason) of files that should have been images.
      strays: (path, reason) of files that lie outside the layout.
    """

    output: Path
    splits: dict[str, Split]
    unreadable: list[tuple[str, str]]
    strays: list[tuple[str, str]]

    def __str__(self) -> str:
        width = max(len(g) for split in self.splits.values() for g in split.generators)
        lines = []
        for name, split in self.splits.items():
            size = split.num_bytes / 1e6
            lines.append(f"{name}: {split.num_examples} images, {size:.1f} MB")
            for generator, counts in split.generators.items():
                lines.append(
                    f"  {generator:<{width}}  photographs {counts['photographs']:>7}"
                    f"  generated {counts['generated']:>7}"
                )
        for kind, entries in (("unreadable", self.unreadable), ("outside the layout", self.strays)):
            if entries:
                lines.append(f"{len(entries)} files {kind}, left out:")
                lines += [f"  {path}: {reason}" for path, reason in entries[:5]]
                if len(entries) > 5:
                    lines.append(f"  ... all of them in {self.output / SKIPPED_FILE}")
        lines.append(f"written to {self.output}")
        return "\n".join(lines)


def prepare(
    source: str | os.PathLike[str] | None,
    output: str | os.PathLike[str],
    *,
    name: str = "",
    storage: str = "encoded",
    image_size: int = 256,
    max_bad_fraction: float = 0.05,
    max_pixels: float = MAX_PIXELS,
    workers: int | None = None,
    split: str = "",
    photographs: str | os.PathLike[str] | None = None,
    generated: str | os.PathLike[str] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> PrepareSummary:
    """Turns folders of image files into a prepared data set.

    Every file is decoded once. One that is no image, is cut short or is too large is left out and
    listed in `skipped.csv` with its reason, as is every file outside the layout. The output appears
    when it is complete; after an error nothing of it is left. The same folders give the same bytes,
    whatever the number of workers.

    Args:
      source: a tree laid out as `folders.walk_classes` says; None with the two trees below.
      output: directory to write; it must not exist yet.
      name: name of the data set; '' takes the source's folder name.
      storage: 'encoded' keeps the original bytes; 'decoded' stores uint8 pixels squashed to
        `image_size` by PIL's antialiased bilinear filter, which training reads much faster.
      image_size: edge in pixels of decoded images.
      max_bad_fraction: share of unreadable files above which the run stops.
      max_pixels: largest image accepted, height * width.
      workers: processes that decode; None takes one per core, 0 decodes in this process.
      split: name of the split of a tree without split folders; '' means 'test'.
      photographs: tree of photographs, together with `generated` in place of `source`.
      generated: tree of generated images.
      progress: called with (files seen, files in all) after each file.

    Raises:
      ValueError: an argument is not allowed, the trees hold no images, the output exists, or too
        many files are unreadable.
    """
    _check_arguments(storage, image_size, max_bad_fraction, max_pixels, workers)
    tree, origin = _walk(source, photographs, generated, split)
    output = Path(output)
    total = sum(map(len, tree.splits.values()))
    job = FolderRecords(total, storage, image_size, int(max_pixels), max_bad_fraction, progress)
    with DecodingPool(workers, total) as pool:
        dataset = write_dataset(
            output,
            name or _clean(origin),
            {part: job.records(files, pool) for part, files in sorted(tree.splits.items())},
            {"made_by": "prepare", "source": origin},
            # A generator, so that it is read after the records, when all files have been seen.
            skipped=(entry for entries in (job.unreadable, tree.strays) for entry in entries),
        )
    return PrepareSummary(dataset.path, dataset.splits, job.unreadable, tree.strays)


class _Layout:
    """What all records of a data set have in common, and the hash over them."""

    def __init__(self) -> None:
        self.storage: str | None = None
        self.image_size: int | None = None
        self.shape: tuple[int, int] | None = None
        self.content = hashlib.sha256()

    def add(self, record: ImageRecord, data: bytes) -> None:
        shape = (record.height, record.width)
        if self.storage is None:
            self.storage, self.shape = record.storage, shape
        elif record.storage != self.storage:
            raise ValueError(
                f"record {record.filename!r} has storage {record.storage!r}, the records before it "
                f"{self.storage!r}: a data set has one storage."
            )
        if shape != self.shape:
            self.shape = None
        self.image_size = self.shape[0] if self.shape and self.shape[0] == self.shape[1] else None
        self.content.update(f"{record.filename}\0{masked_crc32c(data)}\0".encode())


def _write_split(
    folder: Path,
    name: str,
    split: str,
    records: Iterable[ImageRecord],
    shard_bytes: int,
    layout: _Layout,
) -> Split:
    """Writes the shards of one split; they get their names when their number is known."""
    generators: dict[str, dict[str, int]] = {}
    writers: list[ShardWriter] = []
    with contextlib.ExitStack() as open_shards:
        for record in records:
            data = encode_record(record)
            layout.add(record, data)
            if not writers or writers[-1].num_bytes >= shard_bytes:
                open_shards.close()  # completes the shard before the next begins
                path = folder / f"{split}-{len(writers)}"
                writers.append(open_shards.enter_context(ShardWriter(path)))
            writers[-1].write(data)
            counts = generators.setdefault(record.generator, {"photographs": 0, "generated": 0})
            counts["generated" if record.label == GENERATED else "photographs"] += 1
    if not writers:
        raise ValueError(f"split {split!r} has no images.")

    shards = []
    for index, writer in enumerate(writers):
        shard = f"{name}-{split}.tfrecord-{index:05d}-of-{len(writers):05d}"
        os.replace(writer.path, folder / shard)
        os.replace(f"{writer.path}{INDEX_SUFFIX}", folder / f"{shard}{INDEX_SUFFIX}")
        shards.append(shard)
    lengths = tuple(writer.num_records for writer in writers)
    return Split(
        num_examples=sum(lengths),
        shards=tuple(shards),
        shard_lengths=lengths,
        num_bytes=sum(writer.num_bytes for writer in writers),
        generators=dict(sorted(generators.items())),
    )


def _write_skipped(path: Path, skipped: Iterable[tuple[str, str]]) -> None:
    with open(path, "w", newline="", errors="surrogateescape") as file:
        writer = csv.writer(file)
        writer.writerow(("path", "reason"))
        writer.writerows(skipped)


def _write_tfds_metadata(folder: Path, splits: Mapping[str, Split], layout: _Layout) -> None:
    """Writes `features.json` and `dataset_info.json`, or warns that they are missing."""
    try:
        # What TFDS prints where TensorFlow is missing is said better by our warning.
        with contextlib.redirect_stdout(io.StringIO()):
            _call_tfds(folder, splits, layout)
    except ImportError as error:
        warnings.warn(
            f"TFDS metadata (features.json, dataset_info.json) is not written: {error}. This "
            "project reads the data set all the same; to read it with TFDS install tensorflow and "
            "tensorflow-datasets and prepare it again.",
            stacklevel=3,
        )


def _call_tfds(folder: Path, splits: Mapping[str, Split], layout: _Layout) -> None:
    # Imported here because it is optional, slow, and needed by nothing else.
    import tensorflow_datasets as tfds
    from tensorflow_datasets.core.folder_dataset import write_metadata_utils

    features: dict[str, Any] = {
        "storage": tfds.features.Text(),
        "height": tfds.features.Scalar(np.int64),
        "width": tfds.features.Scalar(np.int64),
        "label": tfds.features.ClassLabel(names=["photograph", "generated"]),
        "generator": tfds.features.Text(),
        "filename": tfds.features.Text(),
        "class": tfds.features.Text(),
        "sha256": tfds.features.Text(),
        "image": tfds.features.Tensor(shape=(), dtype=np.str_),
    }
    if layout.storage == "decoded" and layout.shape is not None:
        features["image"] = tfds.features.Tensor(
            shape=(*layout.shape, 3), dtype=np.uint8, encoding=tfds.features.Encoding.BYTES
        )
    write_metadata_utils.write_metadata(
        data_dir=folder,
        features=tfds.features.FeaturesDict(features),
        split_infos=[
            tfds.core.SplitInfo(
                name=name, shard_lengths=list(split.shard_lengths), num_bytes=split.num_bytes
            )
            for name, split in splits.items()
        ],
        check_data=False,
        description="Photographs and generated images, written by npr_jax.",
        disable_shuffling=True,
    )


def _walk(
    source: str | os.PathLike[str] | None,
    photographs: str | os.PathLike[str] | None,
    generated: str | os.PathLike[str] | None,
    split: str,
) -> tuple[Tree, str]:
    """Returns the files and the name of where they lie."""
    if source is not None and photographs is None and generated is None:
        return walk_classes(source, split), Path(os.path.abspath(source)).name
    if source is None and photographs is not None and generated is not None:
        return walk_separate(photographs, generated, split), Path(os.path.abspath(generated)).name
    raise ValueError(
        "give either --source=DIR with folders 0_real and 1_fake inside, or both --photographs=DIR "
        "and --generated=DIR."
    )


def _clean(name: str) -> str:
    """Makes a data set's name of a folder's."""
    cleaned = "".join(c if c.isascii() and c.isalnum() else "_" for c in name.lower()).strip("_")
    return cleaned if cleaned[:1].isalpha() else f"images_{cleaned}".rstrip("_")


def _check_arguments(
    storage: str,
    image_size: int,
    max_bad_fraction: float,
    max_pixels: float,
    workers: int | None,
) -> None:
    if storage not in STORAGES:
        raise ValueError(f"--storage is {storage!r}; allowed are {STORAGES}.")
    if not 8 <= image_size <= 4096:
        raise ValueError(f"--image_size is {image_size}; allowed is 8 to 4096 pixels.")
    if not 0 <= max_bad_fraction <= 1:
        raise ValueError(f"--max_bad_fraction is {max_bad_fraction}; allowed is 0 to 1.")
    if max_pixels < 1:
        raise ValueError(f"max_pixels is {max_pixels}; it must be at least 1.")
    if workers is not None and workers < 0:
        raise ValueError(f"workers is {workers}; it must be 0 or more.")
