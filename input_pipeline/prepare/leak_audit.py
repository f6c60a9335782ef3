"""The leak audit: what tells photographs from generated images besides what generators leave.

A detector may learn that instead. Per generator: the files alone, without a pixel (a metadata-only
classifier, cross-validated, that a detector must beat), and who carries the invisible mark of
Stable Diffusion's script. Per split: the table of all nuisances, see `leak_table`.
"""

import collections
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from input_pipeline.images.jpeg_tables import EXACT, NEAR
from input_pipeline.images.metadata import FileFacts
from input_pipeline.prepare.leak_table import LeakTable, format_leaks
from input_pipeline.prepare.separability import FOLDS, cross_validated_auc
from input_pipeline.storage.records import GENERATED, PHOTOGRAPH

WARNING_AUC = 0.6
_MAX_PER_CLASS = 5000  # of a generator; more add time and no insight
_SIZES = 3  # most frequent image sizes that a line of the audit names

Group = tuple[str, str, str, int]  # split, generator, class and label of files
Groups = Mapping[Group, Sequence[FileFacts]]  # and what each of these says of itself


@dataclass(frozen=True)
class Distribution:
    """What the files of one generator, class and label look like."""

    split: str
    generator: str
    class_name: str
    label: int
    images: int  # number of files
    formats: dict[str, int]  # {format: files}
    # JPEG quality estimates: lowest, quartiles and highest of the files whose table is libjpeg's or
    # near it; () without such files.
    qualities: tuple[float, ...]
    standard_tables: int  # JPEG files whose table is exactly libjpeg's
    encoders: dict[str, int]  # {encoder by its table, '' where it is not known: JPEG files}
    subsamplings: dict[str, int]  # {chroma subsampling: JPEG files}
    sizes: dict[str, int]  # {'height x width': files}, the five most frequent of `distinct_sizes`
    distinct_sizes: int
    marked: int  # files that carry the invisible mark of Stable Diffusion's script
    # {program, or 'generated', 'parts', 'captured', 'credentials': files that say so of themselves}
    says: dict[str, int]

    def __str__(self) -> str:
        kind = "generated" if self.label == GENERATED else "photographs"
        name = "/".join(filter(None, (self.generator, self.class_name)))
        parts = [_counts(self.formats)]
        if self.qualities:
            low, _, middle, _, high = self.qualities
            parts.append(f"quality {low:.0f} to {high:.0f}, median {middle:.0f}")
        if set(self.encoders) - {"libjpeg"}:
            named = {name or "others": count for name, count in self.encoders.items()}
            parts.append(f"tables of {_counts(named)}")
        if self.subsamplings:
            parts.append(f"chroma {_counts(self.subsamplings)}")
        text = f"size {_counts(dict(list(self.sizes.items())[:_SIZES]))}"
        others = self.distinct_sizes - _SIZES
        parts.append(f"{text} and {others} more" if others > 0 else text)
        if self.marked:
            parts.append(f"invisible mark in {self.marked}")
        if self.says:
            parts.append(f"files say {_counts(self.says)}")
        return f"{self.split} {name} {kind} {self.images}: {'; '.join(parts)}"


@dataclass(frozen=True)
class Leak:
    """How well metadata alone separates a generator from photographs."""

    split: str
    generator: str  # whose images they are; '' for all of the split together
    photographs: int  # number beside it, its own or, where it has none, all of the split
    generated: int  # number of its images
    # Cross-validated AUC of the classifier, 0.5 is chance; None with too few images.
    auc: float | None

    @property
    def is_loud(self) -> bool:
        """Whether a detector could live on the metadata."""
        return self.auc is not None and self.auc > WARNING_AUC


@dataclass(frozen=True)
class Audit:
    """Distributions per generator, class and label; leaks per generator and split; per split."""

    distributions: tuple[Distribution, ...]
    leaks: tuple[Leak, ...]
    tables: tuple[LeakTable, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Returns everything as JSON values."""
        return asdict(self) | {"warning_above_auc": WARNING_AUC}

    def __str__(self) -> str:
        lines = ["files by generator, class and label:"]
        lines += [f"  {entry}" for entry in self.distributions]
        lines.append(f"AUC of metadata alone ({FOLDS}-fold; 0.5 is chance):")
        for leak in self.leaks:
            value = "too few images" if leak.auc is None else f"{leak.auc:.3f}"
            lines.append(
                f"  {leak.split} {leak.generator or 'all together'}: {value}"
                f" ({leak.photographs} photographs, {leak.generated} generated)"
                + ("  LEAK" if leak.is_loud else "")
            )
        if self.tables:
            lines.append(
                "AUC of one kind of nuisance alone, of a sample (photographs + generated images):"
            )
            lines += [f"  {line}" for line in format_leaks(self.tables)]
        loud = [leak for leak in self.leaks if leak.is_loud]
        if loud:
            lines += [
                "!" * 88,
                f"WARNING: metadata alone reaches an AUC above {WARNING_AUC} in {len(loud)} of "
                f"{len(self.leaks)} groups.",
                "A detector trained on these files can learn their format, size or JPEG settings",
                "instead of traces of generation, and tests on them can look good for that reason.",
                "Train with both classes re-encoded alike (data.reencode=(lo,hi)), and report the",
                "metadata column of the evaluation beside every result.",
                "!" * 88,
            ]
        if any(d.says for d in self.distributions):
            lines += [
                "NOTE: files say of themselves where they come from. Whoever reads metadata tells",
                "the classes apart by that; detectors that read pixels do not see it.",
            ]
        marked = [sum(d.marked for d in self.distributions if d.label == k) for k in (0, 1)]
        if any(marked):
            lines += [
                f"WARNING: {marked[GENERATED]} generated images and {marked[PHOTOGRAPH]} "
                "photographs carry the invisible mark of Stable Diffusion's",
                "script. Train with data.augment.invisible_mark_probability above 0, which lets as "
                "many of both carry it.",
            ]
        return "\n".join(lines)


def audit(
    groups: Groups,
    marked: Mapping[Group, int] | None = None,
    tables: Sequence[LeakTable] = (),
    says: Mapping[Group, collections.Counter[str]] | None = None,
) -> Audit:
    """Audits files that decode; the same files in the same order give the same audit.

    Args:
      groups: the files.
      marked: how many of them carry the invisible mark; a group without entry has none.
      tables: of their splits.
      says: what they say of where they come from, as `Distribution.says`.
    """
    marked, says = marked or {}, says or {}
    distributions = (
        _distribution(*key, groups[key], marked.get(key, 0), says.get(key, collections.Counter()))
        for key in sorted(groups)
    )
    return Audit(tuple(distributions), tuple(_leaks(groups)), tuple(tables))


def _distribution(
    split: str,
    generator: str,
    class_name: str,
    label: int,
    facts: Sequence[FileFacts],
    marked: int,
    says: collections.Counter[str],
) -> Distribution:
    sure = (fact for fact in facts if fact.certainty in (EXACT, NEAR))
    qualities = [fact.quality for fact in sure if fact.quality is not None]
    quartiles = np.quantile(qualities, (0, 0.25, 0.5, 0.75, 1)).tolist() if qualities else ()
    sizes = collections.Counter(f"{fact.height}x{fact.width}" for fact in facts)
    subsamplings = collections.Counter(fact.subsampling for fact in facts if fact.subsampling)
    return Distribution(
        split=split,
        generator=generator,
        class_name=class_name,
        label=label,
        images=len(facts),
        formats=dict(collections.Counter(fact.format for fact in facts).most_common()),
        qualities=tuple(quartiles),
        standard_tables=sum(fact.standard_table for fact in facts),
        encoders=dict(
            collections.Counter(fact.encoder for fact in facts if fact.certainty).most_common()
        ),
        subsamplings=dict(subsamplings.most_common()),
        sizes=dict(sizes.most_common(5)),
        distinct_sizes=len(sizes),
        marked=marked,
        says=dict(says.most_common()),
    )


def _leaks(groups: Groups) -> Iterator[Leak]:
    for split in sorted({key[0] for key in groups}):

        def of(label: int, generator: str = "", split: str = split) -> list[FileFacts]:
            return [
                fact
                for key in sorted(groups)
                if key[0] == split and key[3] == label and generator in ("", key[1])
                for fact in groups[key]
            ]

        makers = sorted({key[1] for key in groups if key[0] == split and key[3] == GENERATED})
        for generator in [*makers, ""]:
            photographs = of(PHOTOGRAPH, generator) or of(PHOTOGRAPH)
            generated = of(GENERATED, generator)
            auc = _metadata_auc(photographs, generated)
            yield Leak(split, generator, len(photographs), len(generated), auc)


def _metadata_auc(photographs: Sequence[FileFacts], generated: Sequence[FileFacts]) -> float | None:
    """Returns the AUC of a forest on files that it was not grown on; None with too few."""
    kept = []
    for facts in (photographs, generated):  # at most so many, evenly spread
        count = min(len(facts), _MAX_PER_CLASS)
        kept.append([facts[i] for i in np.linspace(0, len(facts) - 1, count).astype(int)])
    labels = np.repeat([PHOTOGRAPH, GENERATED], [len(facts) for facts in kept])
    if min(map(len, kept)) == 0:
        return None
    features = np.stack([fact.features() for facts in kept for fact in facts])
    return cross_validated_auc(features, labels)


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.items())
