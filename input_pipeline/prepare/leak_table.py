"""The leak table: how far each kind of nuisance alone tells the classes of a split apart.

Format, size, JPEG settings; the grid of JPEG blocks and traces of resampling in the pixels;
brightness, saturation, sharpness; the invisible mark. None of it says that a picture was generated,
and a detector that goes no further than the highest of these may live on it. Only resampling is not
nuisance alone: generators enlarge as well.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from input_pipeline.images.metadata import FORMATS, FileFacts, read_facts
from input_pipeline.images.nuisances import Nuisances, measure_nuisances
from input_pipeline.prepare.file_pool import MapFiles
from input_pipeline.prepare.folders import ImageFile, Source
from input_pipeline.prepare.separability import cross_validated_auc
from input_pipeline.storage.records import GENERATED, PHOTOGRAPH

SAMPLE = 500  # images of a split that are measured, as many of each class where there are
_TREES = 30  # of each forest: a dozen of them are grown for every split
_NO_TABLE = (0,) * 64  # of a file that is no JPEG; else the table itself counts: it tells encoders

_METADATA: Mapping[str, Callable[[FileFacts], Sequence[float]]] = {
    "format": lambda facts: [facts.format == name for name in FORMATS],
    "size": lambda facts: (facts.height, facts.width),
    "parity of the size": lambda facts: (facts.height % 2, facts.width % 2),
    "bytes per pixel": lambda facts: (facts.num_bytes / (facts.height * facts.width),),
    "JPEG quality and chroma": lambda facts: (
        facts.luminance,
        *(facts.steps or _NO_TABLE),
        facts.subsampling in ("4:2:0", "4:2:2"),
    ),
}
METADATA, NUISANCES, TOGETHER = "metadata together", "pixels together", "all together"
KINDS = (
    *_METADATA,
    METADATA,
    *(name.replace("_", " ") for name in Nuisances._fields),
    NUISANCES,
    TOGETHER,
)


@dataclass(frozen=True)
class LeakTable:
    """AUCs of one split, each of a forest that sees one kind of nuisance alone."""

    split: str
    photographs: int  # that were measured
    generated: int
    auc: dict[str, float | None]  # {of `KINDS`: cross-validated; None with too few images}


def measure_leaks(
    split: str, labels: Sequence[int], facts: Sequence[FileFacts], pixels: Sequence[Nuisances]
) -> LeakTable:
    """Makes the table of a split from the label, the file and the pixels of its images."""
    label = np.asarray(labels)
    metadata = {
        name: np.array([read(one) for one in facts], float) for name, read in _METADATA.items()
    }
    nuisances = {
        name.replace("_", " "): np.array([getattr(one, name) for one in pixels], float)
        for name in Nuisances._fields
    }
    columns = {
        **metadata,
        METADATA: np.concatenate(list(metadata.values()), axis=1),
        **nuisances,
        NUISANCES: np.concatenate(list(nuisances.values()), axis=1),
    }
    columns[TOGETHER] = np.concatenate([columns[METADATA], columns[NUISANCES]], axis=1)
    return LeakTable(
        split=split,
        photographs=int(np.count_nonzero(label == PHOTOGRAPH)),
        generated=int(np.count_nonzero(label == GENERATED)),
        auc={kind: cross_validated_auc(columns[kind], label, _TREES) for kind in KINDS},
    )


def leak_tables(source: Source, mapped: MapFiles) -> list[LeakTable]:
    """Measures a sample of each split of a source, whose unreadable files are left out.

    Args:
      source: the files.
      mapped: what `file_pool` gives.
    """
    tables = []
    for split, files in sorted(source.splits.items()):
        chosen = [files[number] for number in sample([file.label for file in files])]
        results = zip(chosen, mapped(_look_at, chosen), strict=True)
        kept = [(file.label, *result) for file, result in results if not isinstance(result, str)]
        if kept:
            tables.append(measure_leaks(split, *zip(*kept, strict=True)))
    return tables


def _look_at(file: ImageFile, data: bytes, pixels: np.ndarray) -> tuple[FileFacts, Nuisances]:
    del file
    return read_facts(data), measure_nuisances(pixels)


def sample(labels: Sequence[int]) -> np.ndarray:
    """Numbers of at most `SAMPLE` images, evenly spread over those of each class; int, sorted."""
    classes = [np.flatnonzero(np.asarray(labels) == label) for label in (PHOTOGRAPH, GENERATED)]
    room = SAMPLE // 2 + max(0, SAMPLE // 2 - min(map(len, classes)))
    chosen = []
    for numbers in classes:
        count = min(len(numbers), room)
        chosen.append(numbers[np.linspace(0, len(numbers) - 1, count).astype(int)])
    return np.sort(np.concatenate(chosen)).astype(int)


def format_leaks(tables: Sequence[LeakTable]) -> list[str]:
    """Lines with a row for each kind and a column for each split."""
    width = max(map(len, KINDS)) + 2
    heads = [f"{table.split} ({table.photographs}+{table.generated})" for table in tables]
    cells = [max(len(head), 7) for head in heads]
    lines = [" " * width + "  ".join(h.rjust(n) for h, n in zip(heads, cells, strict=True))]
    for kind in KINDS:
        values = [table.auc[kind] for table in tables]
        texts = ["-" if value is None else f"{value:.3f}" for value in values]
        row = "  ".join(text.rjust(n) for text, n in zip(texts, cells, strict=True))
        lines.append(kind.ljust(width) + row)
    return lines
