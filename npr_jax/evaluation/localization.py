"""Does the heat map point at what was generated? Measured on composites of the embedded data."""

import dataclasses
import json
import pathlib
import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from input_pipeline.errors import UserError
from input_pipeline.images.transforms import resize
from input_pipeline.simulation.composites import Composites, make_composites
from input_pipeline.simulation.dataset import FAMILIES
from input_pipeline.storage.atomic_files import replaced_directory
from input_pipeline.storage.csv_files import write_csv
from npr_jax.evaluation.provenance import provenance
from npr_jax.inference.detector import Detector
from npr_jax.inference.evidence_images import overlay, write_png
from npr_jax.inference.heat_map import HeatMap, heat_map

FOLDER = "localization"
SHIFTS = (0, 1)  # pixels between the region's up-sampling grid and the picture's
RESAMPLES = 10_000
PICTURES = 2  # of each family and shift kept to look at
COLUMNS = ("family", "shift", "composite", "pixel_auc", "other_mask_auc", "hit", "area", "logit")


@dataclasses.dataclass(frozen=True)
class Located:
    """How well one composite's map finds its region."""

    family: str  # that made the region
    shift: int  # see ``input_pipeline.simulation.composites``
    composite: int  # its number
    pixel_auc: float  # how often a pixel of the region has a higher value than one outside
    # the same with the next composite's region, which says what looking at pictures in general, as
    # at their centre, is worth: about 0.5 if nothing
    other_mask_auc: float
    hit: bool  # whether the highest value lies in the region; by chance with probability ``area``
    area: float  # the region's share of the picture
    logit: float  # of the whole composite


def localize(
    detector: Detector,
    workdir: pathlib.Path,
    *,
    count: int,
    size: int,
    seed: int = 0,
    method: str = "auto",
    families: Sequence[str] = FAMILIES,
) -> dict[str, Any]:
    """Makes composites, maps them and writes ``<workdir>/localization``.

    Returns what localization.json holds: ``rows`` with the mean pixel AUC of each family and shift
    and its 95 % bootstrap interval over composites, and ``meta``. ``UserError`` for a system that
    does not look at pixels, or where the detector's crop leaves nothing of a region.

    Args:
        detector: whose maps are tried; composites go through its preprocessing and file view, and
            regions are moved with their pixels.
        workdir: of the run, or any directory for the results.
        count: composites of each family and shift.
        size: their side in pixels, a multiple of 8 from 64 to 512.
        seed: of the scenes; no split of the embedded data has them, whatever its seed.
        method: see ``npr_jax.inference.heat_map``.
        families: whose decoders make the regions.
    """
    started = time.monotonic()
    if detector.preprocessing.read_file:
        raise UserError(
            f"localize makes pictures, but {detector.system} looks at files and not at pixels; "
            "give a run of another system"
        )
    located: list[Located] = []
    used = ""
    composites = make_composites(families, count=count, size=size, seed=seed, shifts=SHIFTS)
    with replaced_directory(workdir / folder_of(detector)) as folder:
        for family, shift, drawn in composites:
            made = seen_by(detector, drawn)
            maps = [heat_map(detector, image, method) for image in made.images]
            used = maps[0].method
            logits = detector.logits(made.images)
            located += judge(family, shift, made, maps, logits)
            for number in range(min(PICTURES, count)):
                picture = beside(made.images[number], made.masks[number], maps[number])
                write_png(folder / f"{family}-shift{shift}-{number}.png", picture)
        meta = {
            "detector": detector.source,
            "system": detector.system,
            "method": used,
            "composites": count,
            "size": size,
            "preprocessing": detector.preprocessing_in_words,
            "seed": seed,
            "seconds": round(time.monotonic() - started, 1),
            **provenance(),
        }
        results = {"rows": summarize(located, seed), "meta": meta}
        write_csv(folder / "composites.csv", COLUMNS, map(dataclasses.astuple, located))
        (folder / "localization.json").write_text(json.dumps(results, indent=1), encoding="utf-8")
    return results


def folder_of(detector: Detector) -> str:
    """The folder of a run that gets the results; those of its last checkpoint lie apart."""
    return f"{FOLDER}-last" if detector.checkpoint == "last" else FOLDER


def seen_by(detector: Detector, drawn: Composites) -> Composites:
    """Composites as the network gets them, their regions moved, cut and scaled with the pixels.

    ``UserError`` where a crop leaves nothing of a region, or nothing else.
    """
    images = list(detector.see(drawn.images))
    masks = []
    moved = dataclasses.replace(detector.preprocessing, jpeg_quality=0)
    for image, mask in zip(images, drawn.masks, strict=True):
        region = moved(np.repeat(np.uint8(255) * mask[..., None], 3, axis=2))
        if region.shape != image.shape:  # a file view has its own size
            region = resize(region, *image.shape[:2])
        masks.append(region[..., 0] >= 128)
        if not 0 < masks[-1].mean() < 1:
            raise UserError(
                f"of composites of {len(mask)} pixels the detector sees the region alone, or "
                f"nothing of it (images: {detector.preprocessing_in_words}); give another "
                "--image_size"
            )
    return Composites(np.stack(images), np.stack(masks))


def judge(
    family: str, shift: int, made: Composites, maps: Sequence[HeatMap], logits: np.ndarray
) -> list[Located]:
    """One row per composite."""
    from sklearn.metrics import roc_auc_score  # slow to import, needed only here

    rows = []
    for number, found in enumerate(maps):
        mask = made.masks[number]
        values = found.to_pixels(*mask.shape)
        other = made.masks[(number + 1) % len(made.masks)]
        top = np.unravel_index(np.argmax(values), values.shape)
        rows.append(
            Located(
                family,
                shift,
                number,
                float(roc_auc_score(mask.ravel(), values.ravel())),
                float(roc_auc_score(other.ravel(), values.ravel())),
                bool(mask[top]),
                float(mask.mean()),
                float(logits[number]),
            )
        )
    return rows


def summarize(located: Sequence[Located], seed: int) -> list[dict[str, Any]]:
    """Means of each family and shift, in the order of the rows."""
    kinds = list(dict.fromkeys((row.family, row.shift) for row in located))
    rows = []
    for family, shift in kinds:
        mine = [row for row in located if (row.family, row.shift) == (family, shift)]
        aucs = np.array([row.pixel_auc for row in mine])
        rng = np.random.default_rng(seed)
        means = aucs[rng.integers(0, len(aucs), (RESAMPLES, len(aucs)))].mean(axis=1)
        rows.append(
            {
                "family": family,
                "shift": shift,
                "composites": len(mine),
                "pixel_auc": float(aucs.mean()),
                "interval": np.percentile(means, (2.5, 97.5)).tolist(),
                "other_mask_auc": float(np.mean([row.other_mask_auc for row in mine])),
                "hits": float(np.mean([row.hit for row in mine])),
                "area": float(np.mean([row.area for row in mine])),
            }
        )
    return rows


def beside(image: np.ndarray, mask: np.ndarray, found: HeatMap) -> np.ndarray:
    """The composite, its region and the map over it, side by side; uint8 ``[h, 3 w, 3]``."""
    region = np.repeat(np.uint8(255) * mask[..., None], 3, axis=2)
    return np.concatenate([image, region, overlay(image, found)], axis=1)


def format_rows(results: dict[str, Any]) -> str:
    """The results as a plain-text table."""
    meta = results["meta"]
    lines = [
        f"pixel AUC of the heat map ({meta['method']}) on {meta['composites']} composites of "
        f"{meta['size']} pixels for each row; other: with another composite's region; hits: "
        "highest value inside the region",
        f"{'family':14}  shift  pixel AUC  95 % interval  other   hits  area",
    ]
    for row in results["rows"]:
        low, high = row["interval"]
        lines.append(
            f"{row['family']:14}  {row['shift']:5}  {row['pixel_auc']:9.3f}  {low:.3f} to "
            f"{high:.3f}  {row['other_mask_auc']:.3f}  {100 * row['hits']:3.0f} %  "
            f"{100 * row['area']:2.0f} %"
        )
    return "\n".join(lines)
