"""How well the bundled detector does on images of generators it was not trained on.

    python -m docs.research.detector_figures docs/results/detector/dev.csv \
        --scores clean=SCORES.csv --scores web=SCORES.csv --scores hard=SCORES.csv

joins the ``scores.csv`` of one evaluation per delivery into one table, and lays a copy of the card
of the bundled detector beside it: the one that was measured. With ``--onto_card`` the card gets
the table's figures first. `make results` measures what
the table says, with the calibration on that card, and puts it into docs/detector.md. A later
detector that has learned from the images of the table cannot be measured with them; then table and
card stay, and the page says whose figures they are. Beside them stands how the bundled
detector does on the images of its calibration, docs/results/detector/held_out.csv: the
``<step>.csv`` that `calibrate` wrote.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import pathlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Self

import numpy as np

from docs.research.detector_sources import TABLE as SOURCES
from docs.research.detector_sources import photographs_trained_on
from docs.research.named_paths import path_of
from docs.research.scripts import run_script
from docs.research.unseen_calibration import crosswise_probabilities, error_of_perfect
from input_pipeline.errors import UserError
from input_pipeline.storage.atomic_files import write_file
from input_pipeline.storage.csv_files import csv_text, read_csv
from npr_jax.analysis.statistics.bootstrap import bootstrap_metric
from npr_jax.detectors import calibration_file
from npr_jax.detectors.calibration import Calibration
from npr_jax.detectors.card import card_text, own_card
from npr_jax.evaluation import measures
from npr_jax.evaluation.calibration_measures import measure_probabilities
from npr_jax.evaluation.results import read_scores

# Within docs/results: of dev, and of what the bundled detector was calibrated on.
TABLE, HELD_OUT = "detector/dev.csv", "detector/held_out.csv"
RESAMPLES = 1000
_FACTS = ("filename", "source", "label")


@dataclasses.dataclass(frozen=True)
class Scored:
    """A detector's logits of n images, each after several deliveries.

    Attributes:
        labels: int [n], 0 photograph, 1 generated.
        sources: str [n], the generator, or where a photograph is from.
        logits: {delivery: float [n]}.
    """

    labels: np.ndarray
    sources: np.ndarray
    logits: dict[str, np.ndarray]

    @classmethod
    def read(cls, path: pathlib.Path) -> Scored:
        """A table that this command has written."""
        columns, rows = read_csv(path)
        deliveries = [name for name in columns if name not in _FACTS]
        return cls(
            np.array([int(row["label"]) for row in rows]),
            np.array([row["source"] for row in rows]),
            {name: np.array([float(row[name]) for row in rows]) for name in deliveries},
        )

    def groups(self, label: int) -> list[str]:
        """The sources of one class, in alphabetical order."""
        return sorted(set(self.sources[self.labels == label]))


@dataclasses.dataclass(frozen=True)
class Measured:
    """Whose logits a table has, as far as its figures need to know.

    Attributes:
        title: name and version of the detector.
        sha256: of its weights.
        calibration: None: it has none.
        trained_on: what its run learned from.
    """

    title: str
    sha256: str
    calibration: Calibration | None
    trained_on: Mapping[str, Any]

    @classmethod
    def read(cls, path: pathlib.Path) -> Self:
        """A detector's card, or a copy of it; its weights need not be there."""
        content = json.loads(path.read_text(encoding="utf-8"))
        calibration = content["calibration"]
        return cls(
            f"{content['name']} {content['version']}",
            content["weights"]["sha256"],
            calibration and calibration_file.from_json(calibration),
            content["trained_on"],
        )

    @property
    def generators(self) -> Sequence[str]:
        """Those that it was trained on."""
        return self.trained_on["train_family"]


def card_of(table: pathlib.Path) -> pathlib.Path:
    """Where the card of the detector lies whose logits a table has."""
    return table.with_suffix(".json")


def join(scores: Mapping[str, pathlib.Path]) -> list[dict[str, str]]:
    """The rows of the table, of the images that all deliveries' ``scores.csv`` name."""
    read = {delivery: read_scores(path) for delivery, path in scores.items()}
    first = next(iter(read.values()))
    columns = {}
    for delivery, found in read.items():
        of_name = dict(zip(found.filenames.tolist(), found.logits.tolist(), strict=True))
        if of_name.keys() != set(first.filenames.tolist()):
            raise UserError(f"{scores[delivery]} is not of the images of the other deliveries")
        columns[delivery] = of_name
    return [
        {"filename": name, "source": source, "label": str(label)}
        | {delivery: f"{of_name[name]:.5f}" for delivery, of_name in columns.items()}
        for name, source, label in zip(
            first.filenames.tolist(), first.generators.tolist(), first.labels.tolist(), strict=True
        )
    ]


def summary(
    scored: Scored, calibration: Calibration, trained: Sequence[str]
) -> dict[str, dict[str, Any]]:
    """The figures of the card, shares in [0, 1], {delivery: {measure: value}}.

    auc: mean over the generators that were not trained on, each against all photographs;
    auc_interval: 95 %, over images; found: mean share of these generators' images called
    generated; photographs_called_generated: share, and called_generated_by_source the highest one
    of a source; balanced_accuracy: at the one threshold, generators and sources weighted alike;
    ece: expected calibration error of all images, each with probabilities that were fitted to other
    generators and other photographs; ece_of_perfect: what it is where such probabilities are true.
    """
    unseen = [name for name in scored.groups(1) if name not in trained]
    if not unseen:
        raise UserError("the detector was trained on every generator of the table; measure another")
    sources = scored.groups(0)
    limit = np.inf if calibration.generated_from is None else calibration.generated_from
    figures: dict[str, dict[str, Any]] = {}
    crosswise = crosswise_probabilities(scored.labels, scored.sources, scored.logits)
    for delivery, logits in scored.logits.items():
        called = logits >= limit
        found, alarms = (
            [float(called[scored.sources == name].mean()) for name in names]
            for names in (unseen, sources)
        )
        value, low, high = mean_auc(scored, logits, unseen)
        figures[delivery] = {
            "auc": value,
            "auc_interval": [low, high],
            "found": float(np.mean(found)),
            "photographs_called_generated": float(called[scored.labels == 0].mean()),
            "called_generated_by_source": float(max(alarms)),
            "balanced_accuracy": float((np.mean(found) + 1 - np.mean(alarms)) / 2),
            "ece": measure_probabilities(scored.labels, crosswise[delivery])["ece"],
            "ece_of_perfect": error_of_perfect(crosswise[delivery]),
        }
    return figures


def write_figures(card: pathlib.Path, scored: Scored, split: str) -> None:
    """Puts the ``summary`` of a split onto a card, to four digits, in place of its figures."""
    known = Measured.read(card)
    found = summary(scored, _calibration(known), known.generators)
    figures = {
        delivery: {name: np.round(value, 4).tolist() for name, value in measured.items()}
        for delivery, measured in found.items()
    }
    facts = json.loads(card.read_text(encoding="utf-8")) | {"figures": {split: figures}}
    write_file(card, card_text(facts))


def mean_auc(
    scored: Scored, logits: np.ndarray, generators: Sequence[str]
) -> tuple[float, float, float]:
    """Mean AUC of generators against all photographs, and its 95 % interval over images.

    The interval is that of a bootstrap, within each generator and within the photographs; it says
    nothing of other generators.
    """
    photographs = logits[scored.labels == 0]
    generated = [logits[scored.sources == name] for name in generators]
    rng = np.random.default_rng(0)

    def drawn(values: np.ndarray) -> np.ndarray:
        return rng.choice(values, len(values))

    samples = [
        _mean_auc(drawn(photographs), [drawn(values) for values in generated])
        for _ in range(RESAMPLES)
    ]
    low, high = np.percentile(samples, [2.5, 97.5])
    return _mean_auc(photographs, generated), float(low), float(high)


def _mean_auc(photographs: np.ndarray, generated: Sequence[np.ndarray]) -> float:
    ordered = np.sort(photographs)
    shares = [
        (
            np.searchsorted(ordered, values, "left") + np.searchsorted(ordered, values, "right")
        ).mean()
        for values in generated
    ]
    return float(np.mean(shares)) / (2 * len(ordered))


def block_of(table: pathlib.Path) -> str:
    """Whose figures they are, and the figures, where the table is there."""
    if not table.is_file():
        return f"Not measured yet: `docs/results/{TABLE}` is not there."
    scored, card = Scored.read(table), Measured.read(card_of(table))
    known = photographs_trained_on(
        table.with_name(pathlib.Path(SOURCES).name), card.trained_on["train_family"]
    )
    figures = format_block(scored, card, known)
    return f"{whose(scored, card, Measured.read(own_card()))}\n\n{figures}"


def held_out_block(table: pathlib.Path) -> str:
    """The bundled detector on images that it was calibrated on, where the table is there.

    They are of generators that it was trained on; neither they nor their reconstructions were.
    """
    if not table.is_file():
        return f"Not measured yet: `docs/results/{HELD_OUT}` is not there."
    scored, card = Scored.read(table), Measured.read(own_card())
    photographs = scored.labels == 0
    cells = [
        _share(found.mean, found.interval)
        for logits in scored.logits.values()
        for found in [bootstrap_metric(scored.labels, logits, "auc", n_resamples=RESAMPLES)]
    ]
    lines = [
        f"{card.title} on {int((~photographs).sum())} generated images and "
        f"{int(photographs.sum())} photographs; all generated images together have an AUC of "
        f"{', '.join(cells)} % "
        f"({', '.join(scored.logits)}).",
        "",
        *_groups(scored, _calibration(card), ()),
    ]
    return "\n".join(lines)


def whose(scored: Scored, card: Measured, own: Measured) -> str:
    """Whose figures those of a table are, beside the bundled detector."""
    text = f"The figures are those of {card.title}"
    if own.sha256 == card.sha256:
        return f"{text}, the bundled detector."
    generators = scored.groups(1)
    known = sum(name in own.generators for name in generators)
    return (
        f"{text}. **The bundled detector is {own.title}**, which was trained on "
        f"{known} of these {len(generators)} generators: of those the table says nothing about it."
    )


def format_block(scored: Scored, card: Measured, known: Collection[str] = ()) -> str:
    """Markdown: the means, then a row for each generator and each source of photographs.

    ``known``: the sources of photographs that it was trained on too, with other images.
    """
    trained = card.trained_on["train_family"]
    others = (scored.labels == 0) & ~np.isin(scored.sources, list(known))
    deliveries = list(scored.logits)
    means = summary(scored, _calibration(card), trained)
    calibration = _calibration(card)
    limit = np.inf if calibration.generated_from is None else calibration.generated_from
    for name, logits in scored.logits.items():
        means[name] |= _called_photographs(scored, logits, calibration, trained)
    rows = [
        ("mean AUC of generators it was not trained on", "auc", "auc_interval"),
        ("of these, called generated", "found", ""),
        ("of these, called photographs", "missed", ""),
        ("photographs called generated", "photographs_called_generated", ""),
        ("the same, of the worst source", "called_generated_by_source", ""),
        ("photographs called photographs", "photographs_called_photographs", ""),
        ("balanced accuracy of *called generated*, groups weighted alike", "balanced_accuracy", ""),
        ("expected calibration error, fitted to other generators", "ece", ""),
        ("the same, were these probabilities true", "ece_of_perfect", ""),
    ]
    if known and others.any():
        of_others = f"the same, of the {others.sum()} from sources it was not trained on"
        rows.insert(5, (of_others, "of_others", "of_others_interval"))
        for name, logits in scored.logits.items():
            alarms = int((logits[others] >= limit).sum())
            means[name]["of_others"] = alarms / int(others.sum())
            means[name]["of_others_interval"] = measures.wilson(alarms, int(others.sum()))
    lines = [_head(["in %", *deliveries])]
    for text, key, interval in rows:
        cells = [
            _share(means[name][key], means[name][interval] if interval else None)
            for name in deliveries
        ]
        lines.append(_row([text, *cells]))
    return "\n".join([*lines, "", *_groups(scored, calibration, {*trained, *known})])


def _called_photographs(
    scored: Scored, logits: np.ndarray, calibration: Calibration, trained: Sequence[str]
) -> dict[str, float]:
    """Mean share of each generator that was not trained on, and share of the photographs."""
    limit = -np.inf if calibration.photograph_to is None else calibration.photograph_to
    called = logits <= limit
    unseen = [name for name in scored.groups(1) if name not in trained]
    return {
        "missed": float(np.mean([called[scored.sources == name].mean() for name in unseen])),
        "photographs_called_photographs": float(called[scored.labels == 0].mean()),
    }


def _groups(scored: Scored, calibration: Calibration, trained: Collection[str]) -> list[str]:
    limit = np.inf if calibration.generated_from is None else calibration.generated_from
    photographs = scored.labels == 0
    lines = [
        _head(
            ["generator", "images", *(f"AUC, {name}" for name in scored.logits)]
            + [f"called generated, {name}" for name in scored.logits]
        )
    ]
    for name in scored.groups(1):
        of_it = scored.sources == name
        cells = []
        for logits in scored.logits.values():
            kept = of_it | photographs
            found = bootstrap_metric(
                scored.labels[kept], logits[kept], "auc", n_resamples=RESAMPLES
            )
            cells.append(_share(found.mean, found.interval))
        cells += _called(scored, of_it, limit)
        lines.append(_row([f"`{name}`{'*' if name in trained else ''}", str(of_it.sum()), *cells]))
    lines += [
        "",
        _head(["photographs", "images", *(f"called generated, {n}" for n in scored.logits)]),
    ]
    for name in scored.groups(0):
        of_it = scored.sources == name
        marked = f"`{name}`{'*' if name in trained else ''}"
        lines.append(_row([marked, str(of_it.sum()), *_called(scored, of_it, limit)]))
    return lines


def _called(scored: Scored, of_it: np.ndarray, limit: float) -> list[str]:
    counts = [(int((z[of_it] >= limit).sum()), int(of_it.sum())) for z in scored.logits.values()]
    return [_share(k / n, measures.wilson(k, n)) for k, n in counts]


def _head(cells: Sequence[str]) -> str:
    return f"{_row(cells)}\n|---|{'---|' * (len(cells) - 1)}"


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _share(value: float, interval: Sequence[float] | None = None) -> str:
    text = f"{100 * value:.1f}"
    if not interval:
        return text
    return f"{text} ({100 * interval[0]:.0f} to {100 * interval[1]:.0f})"


def _calibration(card: Measured) -> Calibration:
    if card.calibration is None:
        raise UserError(f"{card.title} has no calibration, so that nothing is called generated")
    return card.calibration


def main(arguments: Iterable[str] | None = None) -> None:
    """The command above."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("output", type=pathlib.Path)
    parser.add_argument("--scores", type=path_of("DELIVERY"), action="append", required=True)
    parser.add_argument("--card", type=pathlib.Path, default=own_card())
    parser.add_argument("--onto_card", action="store_true", help="write the figures onto the card")
    flags = parser.parse_args(None if arguments is None else list(arguments))
    scores = dict(flags.scores)
    flags.output.parent.mkdir(parents=True, exist_ok=True)
    write_file(flags.output, csv_text([*_FACTS, *scores], join(scores)))
    if flags.onto_card:
        write_figures(flags.card, Scored.read(flags.output), flags.output.stem)
    write_file(card_of(flags.output), flags.card.read_text(encoding="utf-8"))


if __name__ == "__main__":
    run_script(main)
