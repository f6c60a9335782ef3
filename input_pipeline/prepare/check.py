"""`prepare --check`: what is wrong with a source tree, found without writing a data set."""

import collections
import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from input_pipeline.images.file_tree import left_out_in_words
from input_pipeline.images.invisible_mark import find_mark
from input_pipeline.images.metadata import FileFacts, read_facts
from input_pipeline.prepare.catalog import CatalogEntry, Generator
from input_pipeline.prepare.file_pool import file_pool
from input_pipeline.prepare.folders import LEFT_OUT, ImageFile, Source
from input_pipeline.prepare.leak_audit import Audit, Group, audit
from input_pipeline.prepare.leak_table import leak_tables
from input_pipeline.provenance.report import read_provenance
from input_pipeline.storage.prepared_dataset import PreparedDataset, missing_labels
from input_pipeline.storage.records import GENERATED, PHOTOGRAPH

_SHOWN = 5  # examples of each kind on the terminal; the JSON file has all
_NAMES = {"photographs": "photographs", "generated": "generated images"}


class Problem(NamedTuple):
    """One finding: a short name of what is wrong; what, where."""

    kind: str
    text: str


class _Found(NamedTuple):
    """A file that decodes, with its split and what was found in it."""

    split: str
    file: ImageFile
    facts: FileFacts
    sha256: bytes
    pixels_sha256: bytes  # of pixels and shape: the same picture in another file
    is_marked: bool  # whether it carries an invisible mark of Stable Diffusion's scripts
    says: str  # what it says of where it comes from; empty where it does not


def _examine(
    file: ImageFile, data: bytes, pixels: np.ndarray
) -> tuple[FileFacts, bytes, bytes, bool, str]:
    del file
    picture = hashlib.sha256(f"{pixels.shape}".encode())
    picture.update(pixels.data)
    is_marked = find_mark(pixels) is not None
    said = read_provenance(data)
    says = said.generator or said.source or ("credentials" if said.has_credentials else "")
    return read_facts(data), hashlib.sha256(data).digest(), picture.digest(), is_marked, says


@dataclass
class CheckReport:
    """What a check of `title` found."""

    title: str
    # {split: {generator: {'photographs': n, 'generated': n}}} of readable files
    images: dict[str, dict[str, dict[str, int]]] = field(default_factory=dict)
    # In the order in which they were looked for.
    problems: list[Problem] = field(default_factory=list)
    # (what it is, where it lies): companions of pictures and the like, which are no problem.
    left_out: list[tuple[str, str]] = field(default_factory=list)
    audit: Audit | None = None  # of the readable files

    def to_json(self) -> dict[str, Any]:
        """Returns everything as JSON values."""
        return {
            "title": self.title,
            "images": self.images,
            "problems": [problem._asdict() for problem in self.problems],
            "left_out": [{"kind": kind, "path": path} for kind, path in self.left_out],
            "audit": self.audit.to_json() if self.audit else None,
        }

    def __str__(self) -> str:
        lines = [self.title]
        for split, generators in self.images.items():
            for generator, counts in generators.items():
                lines.append(
                    f"  {split} {generator}: {counts['photographs']} photographs, "
                    f"{counts['generated']} generated"
                )
        by_kind = collections.defaultdict(list)
        for problem in self.problems:
            by_kind[problem.kind].append(problem.text)
        lines.append(f"{len(self.problems)} problems" if by_kind else "no problems")
        for kind, texts in by_kind.items():
            lines.append(f"{kind} ({len(texts)}):")
            lines += [f"  {text}" for text in texts[:_SHOWN]]
            if len(texts) > _SHOWN:
                lines.append(f"  ... and {len(texts) - _SHOWN} more; --output=FILE.json has all")
        lines += left_out_in_words(self.left_out)
        return "\n".join([*lines, str(self.audit)])


def check_source(
    source: Source,
    *,
    against: Sequence[PreparedDataset] = (),
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> CheckReport:
    """Examines every file of a source; nothing is written.

    Args:
      source: the files, and what the catalogue expects of them.
      against: data sets that must share no file with it, such as the training set of a test set.
      workers: as of `prepare`, as `progress`.
    """
    report, entry = CheckReport(source.title), source.entry
    readable: list[_Found] = []
    total, seen = sum(map(len, source.splits.values())), 0
    with file_pool(workers, total) as mapped:
        for split, files in sorted(source.splits.items()):
            for file, result in zip(files, mapped(_examine, files), strict=True):
                seen += 1
                if progress is not None:
                    progress(seen, total)
                if isinstance(result, str):
                    report.problems.append(Problem("unreadable file", f"{file.filename}: {result}"))
                else:
                    readable.append(_Found(split, file, *result))
        tables = leak_tables(source, mapped)
    report.problems += _strays(source)
    report.left_out = [(s.reason, s.path) for s in source.strays if s.kind == LEFT_OUT]
    report.images = _count(readable)
    report.problems += _empty_classes(source, readable)
    report.problems += _missing_classes(readable)
    if entry is None:
        for split, generators in report.images.items():
            for text in missing_labels(generators):
                report.problems.append(Problem("missing label", f"{split} {text}"))
    else:
        report.problems += _against_catalogue(entry, readable, report.images)
    report.problems += _duplicates(readable)
    for dataset in against:
        report.problems += _shared_files(readable, dataset)
    groups = collections.defaultdict(list)
    marked: collections.Counter[Group] = collections.Counter()
    says: dict[Group, collections.Counter[str]] = collections.defaultdict(collections.Counter)
    for found in readable:
        file = found.file
        group = (found.split, file.generator, file.class_name, file.label)
        groups[group].append(found.facts)
        marked[group] += found.is_marked
        if found.says:
            says[group][found.says] += 1
    report.audit = audit(groups, marked, tables, says)
    return report


def _strays(source: Source) -> Iterator[Problem]:
    """Reports files that count nowhere, those of one reason together."""
    paths = collections.defaultdict(list)
    for stray in source.strays:
        if stray.kind != LEFT_OUT:
            paths[stray.kind, stray.reason].append(stray.path)
    for (kind, reason), found in paths.items():
        more = f" and {len(found) - 1} more" if len(found) > 1 else ""
        yield Problem(kind, f"{reason}: {found[0]}{more}")


def _count(readable: Iterable[_Found]) -> dict[str, dict[str, dict[str, int]]]:
    images: dict[str, dict[str, dict[str, int]]] = {}
    for split, file, *_ in readable:
        none = {"photographs": 0, "generated": 0}
        counts = images.setdefault(split, {}).setdefault(file.generator, none)
        counts["generated" if file.label == GENERATED else "photographs"] += 1
    return {split: dict(sorted(found.items())) for split, found in sorted(images.items())}


def _empty_classes(source: Source, readable: Iterable[_Found]) -> Iterator[Problem]:
    """Finds folders for images of one label that hold none, with all that lies below them."""
    filled: set[str] = set()
    for folder in {found.file.filename.rpartition("/")[0] for found in readable}:
        while folder and folder not in filled:
            filled.add(folder)
            folder = folder.rpartition("/")[0]
    for folder in sorted(source.class_folders - filled):
        yield Problem("empty class", f"{folder} holds no readable image")


def _missing_classes(readable: Iterable[_Found]) -> Iterator[Problem]:
    """Finds class folders that hold one label only, beside others of the generator with both."""
    labels = collections.defaultdict(set)
    for split, file, *_ in readable:
        labels[(split, file.generator, file.class_name)].add(file.label)
    for (split, generator, class_name), found in sorted(labels.items()):
        if len(found) == 1 and class_name:
            missing = "photographs" if found == {GENERATED} else "generated"
            where = f"{split} {generator}/{class_name}"
            yield Problem("missing label", f"{where} has no {_NAMES[missing]}")


def _against_catalogue(
    entry: CatalogEntry, readable: Sequence[_Found], images: dict[str, dict[str, dict[str, int]]]
) -> Iterator[Problem]:
    """Compares with what the catalogue names."""
    classes = collections.defaultdict(set)
    for split, file, *_ in readable:
        classes[(split, file.generator)].add(file.class_name)
    for split in sorted(set(entry.splits.values()) - set(images)):
        yield Problem("missing split", split)
    for split, found in images.items():
        shared = any(name in entry.photographs for name in found)
        for generator in entry.generators:
            counts = found.get(generator.folder)
            if counts is None:
                yield Problem("missing generator", f"{split} {generator.folder}")
                continue
            yield from _labels_and_count(entry, split, generator, counts, shared)
            present = classes[(split, generator.folder)]
            if generator.classes:
                for name in sorted(set(generator.classes) - present):
                    yield Problem("missing class", f"{split} {generator.folder}/{name}")
                for name in sorted(present - set(generator.classes)):
                    yield Problem("unknown class", f"{split} {generator.folder}/{name or '.'}")


def _labels_and_count(
    entry: CatalogEntry, split: str, generator: Generator, counts: dict[str, int], shared: bool
) -> Iterator[Problem]:
    for kind, name in _NAMES.items():
        if not counts[kind] and not (kind == "photographs" and shared):
            yield Problem("missing label", f"{split} {generator.folder} has no {name}")
    expected = dict(generator.images).get(split)
    total = sum(counts.values())
    if expected is not None and not shared and abs(total - expected) > entry.tolerance:
        about = "about " if entry.tolerance else ""
        text = f"{split} {generator.folder} has {total}, published are {about}{expected}"
        yield Problem("number of images", f"{text} ({entry.counts_from})")


def _duplicates(readable: Iterable[_Found]) -> Iterator[Problem]:
    """Finds files or pictures that lie on two sides: of the label, or of the splits."""
    for kind, key in (("file", "sha256"), ("picture", "pixels_sha256")):
        places = collections.defaultdict(list)
        for found in readable:
            places[getattr(found, key)].append(found)
        for copies in places.values():
            same_file = len({c.sha256 for c in copies}) == 1
            if len(copies) < 2 or (kind == "picture" and same_file):
                continue  # a picture in equal files is reported as a file
            names = ", ".join(f"{c.split}:{c.file.filename}" for c in copies[:4])
            names += f" and {len(copies) - 4} more" if len(copies) > 4 else ""
            labels = {c.file.label for c in copies}
            if labels == {PHOTOGRAPH, GENERATED}:
                yield Problem(f"same {kind} as photograph and as generated", names)
            elif len({c.split for c in copies}) > 1:
                yield Problem(f"same {kind} in several splits", names)
            elif len({c.file.generator for c in copies}) < len(copies):
                yield Problem(f"same {kind} twice", names)


def _shared_files(readable: Iterable[_Found], dataset: PreparedDataset) -> Iterator[Problem]:
    """Finds files of the source whose bytes a data set was made of."""
    places = {bytes.fromhex(file["sha256"]): file for file in dataset.files()}
    for found in readable:
        if (file := places.get(found.sha256)) is not None:
            text = f"{found.split}:{found.file.filename}, {file['split']}:{file['filename']}"
            yield Problem(f"same file in {dataset.path.name}", text)
