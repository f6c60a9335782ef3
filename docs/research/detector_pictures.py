"""Pictures through the eyes of the bundled detector: heat maps and delivery curves.

    python -m docs.research.detector_pictures docs --realworld=REALWORLD

scores photographs that may be shown (those that scikit-learn and matplotlib bring along) and
reconstructions of one of them by our own decoders, picks a generated picture that is found and one
that is missed, a photograph that stays one and one that does not (or comes closest to it), and
likewise four pictures of REALWORLD's split ``dev``, by the logits in docs/results/detector/dev.csv.
It writes docs/results/detector/pictures.csv, from which `make results` makes the words, and draws
docs/images/detector_pictures.png and detector_pictures_dev.png; of ``dev`` no pixels are shown.
"""

from __future__ import annotations

import argparse
import dataclasses
import pathlib
from collections.abc import Iterable, Mapping, Sequence

import matplotlib
import numpy as np
import sklearn
from scipy import ndimage

from docs.research.detector_figures import TABLE as LOGITS
from docs.research.detector_figures import Scored
from docs.research.scripts import run_script
from input_pipeline.images.degradations import transformations
from input_pipeline.images.transforms import decode
from input_pipeline.storage.atomic_files import write_file
from input_pipeline.storage.csv_files import csv_text, read_csv
from npr_jax.detectors.calibration import GENERATED, PHOTOGRAPH, Calibration
from npr_jax.inference.detector import Detector
from npr_jax.inference.heat_map import HeatMap, heat_map
from npr_jax.models.reconstruction.pairs import Reconstructor, cut

TABLE = "detector/pictures.csv"  # within docs/results
# In the order of the curve.
DELIVERIES = (
    *("clean", "delivery web", "delivery hard", "jpeg 95", "jpeg 80", "jpeg 60", "jpeg 40"),
    *("webp 80", "resize_bicubic 0.5", "resize_bicubic 0.75", "resize_bicubic 1.5"),
)
# Pictures are chosen without it: platforms do not enlarge, and what is enlarged is up-sampled.
ENLARGED = "resize_bicubic 1.5"
ROLES = ("found", "missed", "stays", "turns")
# What a decoder makes of the first photograph; one of each way of up-sampling.
DECODERS = ("vae4", "vq4", "fir", "transposed4", "shuffle4", "unet")
_SEED, _LARGEST = 0, 512
_NEIGHBOURHOOD = 9  # pixels a side in which contrast is measured
_FACTS = ("shown", "role", "name", "label", "detector", "generated_from", "photograph_to")
_MAP_FACTS = ("speaking_for_generated", "flattest_third", "most_textured_third")


@dataclasses.dataclass(frozen=True)
class Picture:
    """One that was scored.

    Attributes:
        name: without folders.
        label: 0 photograph, 1 generated.
        pixels: uint8 ``[h, w, 3]``.
        logits: {delivery: logit}.
    """

    name: str
    label: int
    pixels: np.ndarray
    logits: dict[str, float]


def photographs() -> dict[str, np.ndarray]:
    """{name: uint8 ``[h, w, 3]``} of photographs with a free licence that our packages have."""
    images = pathlib.Path(sklearn.__file__).parent / "datasets" / "images"
    samples = pathlib.Path(matplotlib.get_data_path()) / "sample_data"
    files = (images / "china.jpg", images / "flower.jpg", samples / "grace_hopper.jpg")
    return {file.name: decode(file.read_bytes()) for file in files}


def reconstructions(name: str, photograph: np.ndarray) -> dict[str, np.ndarray]:
    """{name: uint8 ``[h, w, 3]``}: the middle of a photograph, once by each of ``DECODERS``."""
    run = Reconstructor(DECODERS, _LARGEST)
    kept = cut(photograph, _LARGEST)
    return {f"{name} by {decoder}": run(decoder, kept, _SEED) for decoder in DECODERS}


def scored(
    detector: Detector, pictures: Mapping[str, np.ndarray], label: int, names: Sequence[str]
) -> list[Picture]:
    """Pictures with their logits after the named deliveries."""
    known = {one.label: one for one in transformations()}
    delivered = (
        known[delivery](pixels, _SEED, 0) for pixels in pictures.values() for delivery in names
    )
    logits = detector.logits(detector.see(delivered)).reshape(len(pictures), len(names))
    return [
        Picture(name, label, pixels, dict(zip(names, map(float, found), strict=True)))
        for (name, pixels), found in zip(pictures.items(), logits, strict=True)
    ]


def chosen(logits: np.ndarray, calibration: Calibration) -> tuple[int, int]:
    """Of one class: the picture called generated, and the one that is not.

    Each is the median, by the first delivery, of those whose verdict is so after all deliveries.
    Where there is none, it is the one that comes closest: the highest of the lowest logits, or the
    lowest of the highest.

    Args:
        logits: float ``[n, deliveries]``.
    """
    limit = np.inf if calibration.generated_from is None else calibration.generated_from

    def median(rows: np.ndarray) -> int:
        return int(rows[np.argsort(logits[rows, 0], kind="stable")[(len(rows) - 1) // 2]])

    called = np.flatnonzero((logits >= limit).all(1))
    others = np.flatnonzero((logits < limit).all(1))
    generated = median(called) if len(called) else int(np.argmax(logits.min(1)))
    if not len(others):
        return generated, int(np.argmin(logits.max(1)))
    return generated, median(others)


def own_pictures(detector: Detector) -> dict[str, Picture]:
    """{role: picture} of those that may be shown."""
    calibration = _calibration(detector)
    free = photographs()
    first = next(iter(free))
    made = scored(detector, reconstructions(first, free[first]), 1, DELIVERIES[:3])
    found, missed = _pick(made, calibration)
    taken = scored(detector, free, 0, DELIVERIES)
    turns, stays = _pick(taken, calibration)
    again = {picture.name: picture.pixels for picture in (found, missed)}
    shown = {picture.name: picture for picture in scored(detector, again, 1, DELIVERIES)}
    roles = (shown[found.name], shown[missed.name], stays, turns)
    return dict(zip(ROLES, roles, strict=True))


def dev_pictures(
    detector: Detector, table: pathlib.Path, realworld: pathlib.Path
) -> dict[str, Picture]:
    """{role: picture} of REALWORLD, chosen by the logits of a table of ``detector_figures``."""
    _, rows = read_csv(table)
    of = Scored.read(table)
    logits = np.stack(list(of.logits.values()), 1)
    trained = set(detector.training_data.get("train_family", ()))
    unseen = np.array([source not in trained for source in of.sources])
    calibration = _calibration(detector)

    def picked(which: np.ndarray) -> list[int]:
        places = np.flatnonzero(which)
        return [int(places[place]) for place in chosen(logits[places], calibration)]

    generated = (of.labels == 1) & unseen
    found, missed = picked(generated if generated.any() else of.labels == 1)
    turns, stays = picked(of.labels == 0)
    shown = {}
    for role, place in zip(ROLES, (found, missed, stays, turns), strict=True):
        pixels = decode((realworld / rows[place]["filename"]).read_bytes())
        name = f"{of.sources[place]}, {pathlib.Path(rows[place]['filename']).name}"
        [shown[role]] = scored(detector, {name: pixels}, int(of.labels[place]), DELIVERIES)
    return shown


def row_of(shown: str, role: str, picture: Picture, detector: Detector, found: HeatMap) -> dict:
    """A picture's row of the table."""
    calibration = _calibration(detector)
    limits = (calibration.generated_from, calibration.photograph_to)
    values = found.to_pixels(*picture.pixels.shape[:2])
    contrast = contrast_of(picture.pixels)
    low, high = np.quantile(contrast, [1 / 3, 2 / 3])
    in_map = (
        (found.values > 0).mean(),
        values[contrast <= low].mean(),
        values[contrast >= high].mean(),
    )
    cells = (shown, role, picture.name, str(picture.label), detector.title)
    cells += tuple("" if limit is None else f"{limit:.5f}" for limit in limits)
    return (
        dict(zip(_FACTS, cells, strict=True))
        | {name: f"{value:.5f}" for name, value in zip(_MAP_FACTS, in_map, strict=True)}
        | {delivery: f"{picture.logits[delivery]:.5f}" for delivery in DELIVERIES}
    )


def contrast_of(pixels: np.ndarray) -> np.ndarray:
    """The local deviation of the brightness, float ``[h, w]``, of uint8 ``[h, w, 3]``."""
    brightness = pixels.mean(2)
    mean = ndimage.uniform_filter(brightness, _NEIGHBOURHOOD)
    square = ndimage.uniform_filter(np.square(brightness), _NEIGHBOURHOOD)
    return np.sqrt(np.maximum(square - np.square(mean), 0))


def _pick(pictures: Sequence[Picture], calibration: Calibration) -> tuple[Picture, Picture]:
    logits = np.array(
        [
            [logit for delivery, logit in picture.logits.items() if delivery != ENLARGED]
            for picture in pictures
        ]
    )
    generated, other = chosen(logits, calibration)
    return pictures[generated], pictures[other]


def _calibration(detector: Detector) -> Calibration:
    if detector.calibration is None:
        raise ValueError(f"{detector.title} has no calibration, so that it gives no verdicts")
    return detector.calibration


def verdict_of(row: Mapping[str, str], delivery: str) -> str:
    """What the detector of a row says of its picture after a delivery."""
    limits = (float(row[name]) if row[name] else None for name in _FACTS[-2:])
    return Calibration(1.0, 0.0, 0.5, *limits).verdict(float(row[delivery]))


def block_of(table: pathlib.Path, shown: str) -> str:
    """Markdown of the table's pictures that are ``shown`` so, where it is there."""
    if not table.is_file():
        return f"Not measured yet: `docs/results/{TABLE}` is not there."
    return format_block([row for row in read_csv(table)[1] if row["shown"] == shown])


def format_block(rows: Sequence[Mapping[str, str]]) -> str:
    """Markdown: a row for each picture."""
    lines = [
        "| picture | unchanged | called generated | unsure | called a photograph "
        "| places that speak for generated | flattest third | most textured third |",
        "|---|---|---:|---:|---:|---:|---:|---:|",
    ]
    for row in rows:
        verdicts = [verdict_of(row, delivery) for delivery in DELIVERIES]
        counts = [verdicts.count(GENERATED), 0, verdicts.count(PHOTOGRAPH)]
        counts[1] = len(verdicts) - sum(counts)
        signs = [f"{float(row[name]):+.2f}".replace("-", "−") for name in _MAP_FACTS[1:]]
        kind = GENERATED if row["label"] == "1" else PHOTOGRAPH
        clean = f"{float(row['clean']):.2f}".replace("-", "−")
        lines.append(
            f"| {kind}: {row['name']} | {verdicts[0]} (logit {clean}) "
            f"| {' | '.join(map(str, counts))} "
            f"| {100 * float(row[_MAP_FACTS[0]]):.0f} % | {' | '.join(signs)} |"
        )
    titles = sorted({row["detector"] for row in rows})
    return "\n".join(
        [
            *lines,
            "",
            f"{' and '.join(titles)}; {len(rows)} pictures, each after the same {len(DELIVERIES)} "
            "deliveries, the unchanged file among them. The last two columns are the mean of the "
            "heat map, in logits, over the third of the pixels with the least and the most local "
            "contrast.",
        ]
    )


def main(arguments: Iterable[str] | None = None) -> None:
    """The command above."""
    from docs.research.detector_pictures_figure import draw

    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("docs", type=pathlib.Path)
    parser.add_argument("--realworld", type=pathlib.Path, required=True)
    flags = parser.parse_args(None if arguments is None else list(arguments))
    detector = Detector.default()
    table = flags.docs / "results" / LOGITS
    rows = []
    for shown, pictures in (
        ("own", own_pictures(detector)),
        ("dev", dev_pictures(detector, table, flags.realworld)),
    ):
        maps = {role: heat_map(detector, picture.pixels) for role, picture in pictures.items()}
        rows += [
            row_of(shown, role, picture, detector, maps[role]) for role, picture in pictures.items()
        ]
        name = "detector_pictures.png" if shown == "own" else "detector_pictures_dev.png"
        image = draw(pictures, maps, _calibration(detector), detector.title, shown == "own")
        write_file(flags.docs / "images" / name, image)
    output = flags.docs / "results" / TABLE
    write_file(output, csv_text([*_FACTS, *_MAP_FACTS, *DELIVERIES], rows))


if __name__ == "__main__":
    run_script(main)
