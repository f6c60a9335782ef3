"""Records to shards, one shard after another, so that a killed run goes on where it stopped.

While a data set is written its directory holds

<split>-00003, <split>-00003.index    a shard, see tfrecord.py
progress/<split>-00003.csv            one row per record of it
progress/<split>-00003.json           what it holds and which items of the source it covers

in this order: a shard counts once the last of them is there, and nothing else is ever taken for
one. When all are there they get their final names.
"""

import contextlib
import csv
import hashlib
import io
import json
import os
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import NamedTuple

from input_pipeline.errors import UserError
from input_pipeline.storage.atomic_files import sync_directory, write_file
from input_pipeline.storage.csv_files import write_csv
from input_pipeline.storage.prepared_dataset import Split
from input_pipeline.storage.record_table import write_table
from input_pipeline.storage.records import GENERATED, ImageRecord, encode_record
from input_pipeline.storage.tfrecord import INDEX_SUFFIX, ShardWriter, masked_crc32c, new_shard
from input_pipeline.storage.whole_content import read_object, whole_content

_PROGRESS = "progress"
LINE_END = "\r\n"  # of the tables of a data set
ROW = ("filename", "label", "generator", "class", "height", "width", "sha256", "record_crc32c")


class Skipped(NamedTuple):
    """A file of the source that is no record."""

    path: str  # relative to the root of the source
    reason: str  # why
    kind: str = "outside the layout"  # of the reason, for summaries


@dataclass
class Shard:
    """A finished shard."""

    items: int = 0  # of the source, records and skipped files, that it covers
    records: int = 0  # records in it; without any there is no file
    num_bytes: int = 0  # size of the file
    storage: str = ""  # of all its records; '' without any
    # (height, width) of all its images, or None if they differ
    shape: tuple[int, int] | None = None
    # {name: {'photographs': images, 'generated': images}}
    generators: dict[str, dict[str, int]] = field(default_factory=dict)
    skipped: list[Skipped] = field(default_factory=list)  # files left out on the way
    paired: bool = False  # whether all its records belong to a pair; else none does

    def add(self, record: ImageRecord) -> None:
        """Counts a record, whose storage has to be that of the records before."""
        shape = (record.height, record.width)
        if not self.records:
            self.storage, self.shape, self.paired = record.storage, shape, bool(record.pair)
        elif record.storage != self.storage:
            raise UserError(
                f"record {record.filename!r} has storage {record.storage!r}, the records before it "
                f"{self.storage!r}: a data set has one storage."
            )
        if bool(record.pair) != self.paired:
            raise UserError(
                f"record {record.filename!r} has pair {record.pair!r}, unlike the records before "
                "it: in a data set all records belong to pairs, or none."
            )
        if shape != self.shape:
            self.shape = None
        self.records += 1
        counts = self.generators.setdefault(record.generator, {"photographs": 0, "generated": 0})
        counts["generated" if record.label == GENERATED else "photographs"] += 1


def finished_shards(folder: Path, split: str) -> list[Shard]:
    """Returns the finished shards of a split, in order."""
    shards: list[Shard] = []
    while (file := _progress(folder, split, len(shards), "json")).exists():
        remedy = f"remove {folder} to start again."
        values = read_object(file, remedy)
        with whole_content(file, remedy):
            values["shape"] = tuple(values["shape"]) if values["shape"] else None
            values["skipped"] = [Skipped(*entry) for entry in values["skipped"]]
            shards.append(Shard(**values))
    return shards


def write_split(
    folder: Path, split: str, items: Iterable[ImageRecord | Skipped], shard_bytes: int
) -> None:
    """Writes a split's items behind its finished shards, in the directory of the data set.

    The items are what follows those of the finished shards; they are read once and never held as a
    whole. A shard ends with the record that makes it as large as `shard_bytes`.
    """
    number = len(finished_shards(folder, split))
    (folder / _PROGRESS).mkdir(exist_ok=True)
    remaining = iter(items)
    while _write_shard(folder, split, number, remaining, shard_bytes):
        number += 1


def _write_shard(
    folder: Path, split: str, number: int, items: Iterator[ImageRecord | Skipped], shard_bytes: int
) -> bool:
    """Writes one shard; returns whether there were items for it."""
    shard, rows = Shard(), io.StringIO(newline="")
    table = csv.writer(rows)
    with contextlib.ExitStack() as open_file:
        writer: ShardWriter | None = None
        for item in items:
            shard.items += 1
            if isinstance(item, Skipped):
                shard.skipped.append(item)
                continue
            shard.add(item)
            if writer is None:
                writer = open_file.enter_context(new_shard(_shard(folder, split, number)))
            data = encode_record(item)
            writer.write(data)
            digest = item.sha256 or hashlib.sha256(item.image).hexdigest()
            what = (item.filename, item.label, item.generator, item.class_name)
            table.writerow((*what, item.height, item.width, digest, masked_crc32c(data)))
            if writer.num_bytes >= shard_bytes:
                break
        if writer is not None:
            shard.num_bytes = writer.num_bytes
    if not shard.items:
        return False
    sync_directory(folder)  # the shard's name is on disk before anything that counts on it
    write_file(_progress(folder, split, number, "csv"), rows.getvalue(), durable=True)
    write_file(_progress(folder, split, number, "json"), json.dumps(asdict(shard)), durable=True)
    return True


def name_shards(folder: Path, name: str, split: str) -> Split:
    """Gives the shards of a complete split their final names; may be repeated.

    Raises:
      ValueError: there are no records, or a shard has been cut short or removed since.
    """
    shards = finished_shards(folder, split)
    numbers = [number for number, shard in enumerate(shards) if shard.records]
    if not numbers:
        raise UserError(f"split {split!r} has no images.")
    names = []
    for place, number in enumerate(numbers):
        final = f"{name}-{split}.tfrecord-{place:05d}-of-{len(numbers):05d}"
        for suffix in ("", INDEX_SUFFIX):
            written = Path(f"{_shard(folder, split, number)}{suffix}")
            if written.exists():  # else it has its final name already
                os.replace(written, folder / f"{final}{suffix}")
        path, expected = folder / final, shards[number].num_bytes
        size = path.stat().st_size if path.exists() else 0
        if size != expected:
            raise UserError(
                f"{path} of the unfinished conversion has {size} bytes; {expected} were written. "
                f"Remove the directory {folder} and start again."
            )
        write_table(path)
        names.append(final)
    generators: dict[str, dict[str, int]] = {}
    for shard in shards:
        for generator, counts in shard.generators.items():
            total = generators.get(generator, {})
            generators[generator] = {k: total.get(k, 0) + count for k, count in counts.items()}
    lengths = [shards[number].records for number in numbers]
    return Split(
        num_examples=sum(lengths),
        num_bytes=sum(shard.num_bytes for shard in shards),
        shards=names,
        shard_lengths=lengths,
        generators=dict(sorted(generators.items())),
    )


def common_layout(shards: Iterable[Shard]) -> tuple[str, tuple[int, int] | None]:
    """Returns storage and image shape of all records; None where images differ in shape."""
    written = [shard for shard in shards if shard.records]
    if len({shard.paired for shard in written}) > 1:
        raise UserError("some records belong to pairs and some do not: a data set has one kind.")
    storages = {shard.storage for shard in written}
    if len(storages) != 1:
        raise UserError(f"records have storages {sorted(storages)}: a data set has one storage.")
    shapes = {shard.shape for shard in written}
    return storages.pop(), shapes.pop() if len(shapes) == 1 else None


def write_files_table(folder: Path, splits: Iterable[str], output: Path) -> str:
    """Writes the table of all records; returns the SHA-256 over its rows, shard limits aside."""
    digest = hashlib.sha256()

    def rows() -> Iterator[tuple[str, ...]]:
        """The rows of all shards, digested as they pass."""
        for split in splits:
            for number in range(len(finished_shards(folder, split))):
                path = _progress(folder, split, number, "csv")
                with open(path, encoding="utf-8", errors="surrogateescape", newline="") as file:
                    for row in csv.reader(file):
                        text = "\0".join((split, *row, ""))
                        digest.update(text.encode(errors="surrogateescape"))
                        yield split, *row

    write_csv(output, ("split", *ROW), rows(), line_end=LINE_END)
    return digest.hexdigest()


def remove_progress(folder: Path) -> None:
    """Removes what only a continued run needs."""
    shutil.rmtree(folder / _PROGRESS, ignore_errors=True)


def _shard(folder: Path, split: str, number: int) -> Path:
    return folder / f"{split}-{number:05d}"


def _progress(folder: Path, split: str, number: int, kind: str) -> Path:
    return folder / _PROGRESS / f"{split}-{number:05d}.{kind}"
