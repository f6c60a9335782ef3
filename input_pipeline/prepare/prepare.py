"""`prepare`: folders of image files to a prepared data set."""

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from input_pipeline.errors import UserError
from input_pipeline.images.file_tree import left_out_in_words
from input_pipeline.images.transforms import MAX_PIXELS, resize_to
from input_pipeline.prepare.catalog import CatalogEntry
from input_pipeline.prepare.file_pool import file_pool
from input_pipeline.prepare.folders import LEFT_OUT, ImageFile, Source
from input_pipeline.storage.atomic_files import resumable_directory
from input_pipeline.storage.csv_files import read_csv
from input_pipeline.storage.dataset_writer import SHARD_BYTES, check_names, finish_dataset
from input_pipeline.storage.path_lists import check_listable
from input_pipeline.storage.prepared_dataset import (
    DATASET_FILE,
    SKIPPED_FILE,
    PreparedDataset,
    Split,
    missing_labels,
)
from input_pipeline.storage.records import STORAGES, ImageRecord
from input_pipeline.storage.shard_writer import Skipped, finished_shards, write_split


@dataclass(frozen=True)
class PrepareSummary:
    """What `prepare` did."""

    output: Path  # the data set
    splits: dict[str, Split]  # {name: Split}, with images per generator and class
    unreadable: list[Skipped]  # files that should have been images
    strays: list[Skipped]  # files that count nowhere
    missing: list[str]  # 'split generator' of what the catalogue names and the source lacks

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
        outside = [stray for stray in self.strays if stray.kind != LEFT_OUT]
        kinds = {"unreadable": self.unreadable, "outside the layout": outside}
        for kind, entries in kinds.items():
            if entries:
                lines.append(f"{len(entries)} files {kind}, left out:")
                lines += [f"  {entry.path}: {entry.reason}" for entry in entries[:5]]
                if len(entries) > 5:
                    lines.append(f"  ... all of them in {self.output / SKIPPED_FILE}")
        by_name = ((s.reason, s.path) for s in self.strays if s.kind == LEFT_OUT)
        lines += left_out_in_words(by_name)
        for name, split in self.splits.items():
            lines += [f"WARNING: {name} {text}" for text in missing_labels(split.generators)]
        if self.missing:
            lines.append(f"WARNING: missing generators: {', '.join(self.missing)}")
        lines.append(f"written to {self.output}")
        return "\n".join(lines)


def prepare(
    source: Source,
    output: str | os.PathLike[str],
    *,
    name: str = "",
    storage: str = "encoded",
    image_size: int | None = None,
    max_bad_fraction: float = 0.05,
    max_pixels: float = MAX_PIXELS,
    workers: int | None = None,
    shard_bytes: int = SHARD_BYTES,
    progress: Callable[[int, int], None] | None = None,
) -> PrepareSummary:
    """Turns folders of image files into a prepared data set.

    Every file is decoded once. One that is no image, is cut short or is too large is left out and
    listed in `skipped.csv` with its reason, as is every file outside the layout. The output appears
    when it is complete. A run that was interrupted, even killed, goes on with the next shard when
    it is called again with the same arguments. The same folders give the same bytes, whatever the
    number of workers and interruptions.

    Args:
      source: the files, as `folders` or `sources` sorted them.
      output: directory to write; it must not exist yet.
      name: name of the data set; '' takes the catalogue's or the source's folder name.
      storage: 'encoded' keeps the original bytes; 'decoded' stores uint8 pixels squashed to
        `image_size` by PIL's antialiased bilinear filter, which training reads much faster.
      image_size: edge in pixels of decoded images, 0 for their own size; None takes the protocol's
        of a catalogued data set, else 256.
      max_bad_fraction: share of unreadable files above which the run stops.
      max_pixels: largest image accepted, height * width.
      workers: processes that decode; None takes one per core, 0 decodes in this process.
      shard_bytes: a shard is closed when it has reached this size.
      progress: called with (files seen, files in all) after each file.

    Raises:
      ValueError: an argument is not allowed, the output exists, an interrupted run had other
        arguments, or too many files are unreadable.
    """
    check_listable(output, "--output")
    entry = source.entry
    if image_size is None:
        image_size = max(p.resize for p in entry.protocol.values()) if entry else 256
    if storage not in STORAGES:
        raise UserError(f"--storage is {storage!r}; allowed are {STORAGES}.")
    if image_size and not 8 <= image_size <= 4096:
        raise UserError(f"--image_size is {image_size}; allowed is 8 to 4096 pixels, or 0.")
    if not 0 <= max_bad_fraction <= 1:
        raise UserError(f"--max_bad_fraction is {max_bad_fraction}; allowed is 0 to 1.")
    if workers is not None and workers < 0:
        raise UserError(f"workers is {workers}; it must be 0 or more.")
    if not name:
        name = entry.name if entry else _name_after(source.origin)
    splits = dict(sorted(source.splits.items()))
    check_names(name, splits)
    total = sum(map(len, splits.values()))
    plan: dict[str, Any] = {
        "name": name,
        "source": source.origin,
        "storage": storage,
        "files": total,
        "decoded_size": image_size if storage == "decoded" else None,
        "dataset": entry.name if entry else "",
        "max_pixels": int(max_pixels),
        "shard_bytes": shard_bytes,
        "source_sha256": source.fingerprint(),
    }
    with resumable_directory(Path(output), plan) as folder:
        if not (folder / DATASET_FILE).exists():  # else all but the last step was done before
            with file_pool(workers, total, int(max_pixels), kept=True) as mapped:
                results = partial(mapped, partial(_record, storage, image_size))
                _write_splits(folder, splits, results, shard_bytes, max_bad_fraction, progress)
        info = _description(entry) | {key: plan[key] for key in ("source", "decoded_size")}
        finish_dataset(folder, name, list(splits), info, source.strays)
    dataset = PreparedDataset.load(output)
    strays = {stray[:2] for stray in source.strays}
    _, rows = read_csv(dataset.path / SKIPPED_FILE)
    skipped = [Skipped(row["path"], row["reason"], "unreadable") for row in rows]
    unreadable = [file for file in skipped if file[:2] not in strays]
    missing = _missing_generators(dataset, entry)
    return PrepareSummary(dataset.path, dataset.splits, unreadable, source.strays, missing)


def _name_after(origin: str) -> str:
    """A data set's name after the folder it was made from: ASCII letters, digits and `_`."""
    characters = (c if c.isascii() and c.isalnum() else "_" for c in origin.lower())
    name = "".join(characters).strip("_")
    return name if name[:1].isalpha() else f"images_{name}".rstrip("_")


def _description(entry: CatalogEntry | None) -> dict[str, Any]:
    """What the data set's description says of its images, as far as the catalogue knows them."""
    if entry is None:
        licence = "Unknown; the images remain under the terms of their sources."
        return {"made_by": "prepare", "licence": licence}
    return {
        "made_by": "prepare",
        "dataset": entry.name,
        "title": entry.title,
        "table": entry.table,
        "licence": entry.terms,
        "homepage": entry.homepage,
        "citation": entry.citation,
        "protocol": {split: asdict(steps) for split, steps in entry.protocol.items()},
    }


def _missing_generators(dataset: PreparedDataset, entry: CatalogEntry | None) -> list[str]:
    """'split generator' of what the catalogue names and the data set has no images of."""
    return [
        f"{name} {generator.folder}"
        for name, split in dataset.splits.items()
        for generator in (entry.generators if entry else ())
        if not split.generators.get(generator.folder, {}).get("generated")
    ]


def _write_splits(
    folder: Path,
    splits: Mapping[str, list[ImageFile]],
    results: Callable[[list[ImageFile]], Iterator[ImageRecord | str]],
    shard_bytes: int,
    max_bad_fraction: float,
    progress: Callable[[int, int], None] | None,
) -> None:
    """Writes what an earlier run has not written; `results` makes a record of a file, or says why.

    Raises:
      ValueError: more than the allowed share of all files is unreadable.
    """
    total, seen = sum(map(len, splits.values())), 0
    bad: list[Skipped] = []

    def items(files: list[ImageFile]) -> Iterator[ImageRecord | Skipped]:
        """A record, or why there is none, for each file; stops when too many are bad."""
        nonlocal seen
        for file, result in zip(files, results(files), strict=True):
            seen += 1
            if progress is not None:
                progress(seen, total)
            if isinstance(result, ImageRecord):
                yield result
                continue
            bad.append(Skipped(file.filename, result, "unreadable"))
            if len(bad) > max_bad_fraction * total:
                examples = "\n".join(f"  {path}: {reason}" for path, reason, _ in bad[:5])
                raise UserError(
                    f"stopped: at least {len(bad)} of {total} files are unreadable, more than the "
                    f"allowed share of {max_bad_fraction}. The first are\n{examples}\nRemove or "
                    "replace such files, or raise --max_bad_fraction; the same command then goes "
                    "on."
                )
            yield bad[-1]

    for split, files in splits.items():
        shards = finished_shards(folder, split)
        done = sum(shard.items for shard in shards)
        seen += done
        bad += [file for shard in shards for file in shard.skipped]
        if done and progress is not None:
            progress(seen, total)
        write_split(folder, split, items(files[done:]), shard_bytes)


def _record(
    storage: str, image_size: int, file: ImageFile, data: bytes, pixels: np.ndarray
) -> ImageRecord:
    digest = hashlib.sha256(data).hexdigest()
    if storage == "decoded":
        pixels = resize_to(pixels, image_size) if image_size else pixels
        data = pixels.tobytes()
    height, width = pixels.shape[:2]
    return ImageRecord(
        data,
        storage,
        height,
        width,
        label=file.label,
        generator=file.generator,
        filename=file.filename,
        class_name=file.class_name,
        sha256=digest,
    )
