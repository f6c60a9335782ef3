"""``predict --evidence``: for each picture what the detector looked at and where it found what."""

from __future__ import annotations

import contextlib
import io
import json
import pathlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from matplotlib import cm, colors

from input_pipeline.errors import UserError
from input_pipeline.images.metadata import read_facts
from input_pipeline.images.orientation import NAMES, upright
from input_pipeline.storage.atomic_files import replaced_directory
from input_pipeline.storage.csv_files import write_csv
from npr_jax.analysis.figures import style
from npr_jax.inference import evidence_images
from npr_jax.inference.detector import Detector
from npr_jax.inference.heat_map import HeatMap, heat_map
from npr_jax.inference.verdict import ImageScore

TABLE_FILE = "evidence.csv"
COLUMNS = ("path", "folder", "score", "verdict", "heat_map")
HEAT_MAP_COLUMNS = ("row", "column", "y", "x", "value")
SHEET_TILE = 2.4  # inches
_LONGEST_SIDE = 512  # pixels of what a sheet shows of a picture


@contextlib.contextmanager
def evidence_folder(
    detector: Detector, directory: pathlib.Path, method: str
) -> Iterator[Callable[[ImageScore], str]]:
    """Takes results one by one; in the end, even an early one, evidence.csv is about all.

    A folder holds sheet.png (everything in one picture), residual-<scale>.png and overlay.png at
    the picture's own size, heat_map.csv and evidence.json. `method` is that of the heat map, see
    ``npr_jax.inference.heat_map``.

    Yields:
        A function that writes the folder of a result and returns why it has none, empty where it
        has one. A file that was not scored gets a row only.
    """
    directory.mkdir(parents=True, exist_ok=True)
    rows: list[list[str]] = []

    def add(result: ImageScore) -> str:
        """Makes the folder of one result; see above."""
        name, found, problem = "", None, ""
        if not result.error:
            name = f"{len(rows):06d}-{pathlib.Path(result.path).stem}"
            try:
                image = detector.read(result.path)
                turn = read_facts(pathlib.Path(result.path).read_bytes()).orientation
                with replaced_directory(directory / name) as folder:
                    found = _write_one(detector, result, image, turn, folder, method)
            except UserError as error:
                name, problem = "", f"no evidence: {error}"
        rows.append(_row(detector, result, name, found, problem))
        return problem

    try:
        yield add
    finally:
        weights = (f"weight_{scale}" for scale in detector.model.scales)
        write_csv(directory / TABLE_FILE, (*COLUMNS, *weights, "error"), rows)


def _write_one(
    detector: Detector,
    result: ImageScore,
    image: np.ndarray,
    turn: int,
    folder: pathlib.Path,
    method: str,
) -> HeatMap | None:
    """Writes the folder of one picture; what it shows is turned upright, EXIF's number says how."""
    problem = ""
    found: HeatMap | None = None
    try:
        found = heat_map(detector, image, method)
    except ValueError as error:
        if method != "auto":
            raise
        problem = str(error)
    tiles: dict[str, np.ndarray] = {}
    laid_over = None
    for front_end in evidence_images.residuals(detector.model.front_ends):
        # Branches of one scale see the same: one picture of it will do.
        if front_end.name not in tiles:
            pixels = upright(evidence_images.residual_pixels(image, front_end), turn)
            tiles[front_end.name] = pixels
            name = front_end.name.replace(" ", "_")
            evidence_images.write_png(folder / f"residual-{name}.png", pixels)
    if found is not None:
        laid_over = upright(evidence_images.overlay(image, found), turn)
        evidence_images.write_png(folder / "overlay.png", laid_over)
        write_csv(folder / "heat_map.csv", HEAT_MAP_COLUMNS, _heat_map_rows(found))
    captioned = [(f"residual, scale {name}", pixels) for name, pixels in tiles.items()]
    title = f"{pathlib.Path(result.path).name}: {result.verdict}, score {result.score:.4f}"
    if result.weights is not None:
        pairs = zip(detector.model.scales, result.weights, strict=True)
        title += "; weights " + ", ".join(f"{scale}: {weight:.3f}" for scale, weight in pairs)
    shown = [("as scored" if turn == 1 else "as scored, turned upright", upright(image, turn))]
    if laid_over is not None:
        shown.append(("heat map", laid_over))
    limit = None if found is None else evidence_images.full_colour(found)
    (folder / "sheet.png").write_bytes(sheet(title, [*shown, *captioned], limit))
    described = _describe(detector, result, image, found, problem)
    described |= {"orientation": turn, "shown": NAMES.get(turn, "as stored")}
    (folder / "evidence.json").write_text(json.dumps(described, indent=1), encoding="utf-8")
    return found


def _describe(
    detector: Detector, result: ImageScore, image: np.ndarray, found: HeatMap | None, problem: str
) -> dict[str, Any]:
    described: dict[str, Any] = {
        "path": result.path.encode(errors="surrogateescape").decode(errors="replace"),
        "score": result.score,
        "logit": result.logit,
        "verdict": result.verdict,
        "scales": detector.model.scales,
        "weights": result.weights,
        "height": image.shape[0],
        "width": image.shape[1],
        "preprocessing": detector.preprocessing_in_words,
        "detector": detector.source,
        "residual_range": evidence_images.RESIDUAL_RANGE,
    }
    if found is None:
        return described | {"heat_map": None, "no_heat_map": problem}
    rows, columns = found.values.shape
    drawn = {"method": found.method, "unit": found.unit, "stride": found.stride}
    drawn |= {"first": found.first, "rows": rows, "columns": columns}
    drawn |= {"largest": evidence_images.largest(found)}
    return described | {"heat_map": drawn | {"full_colour": evidence_images.full_colour(found)}}


def _heat_map_rows(found: HeatMap) -> Iterator[tuple[int | str, ...]]:
    for (row, column), value in np.ndenumerate(found.values):
        y, x = (found.first + found.stride * place for place in (row, column))
        yield row, column, f"{y:g}", f"{x:g}", f"{value:.6g}"


def _row(
    detector: Detector, result: ImageScore, folder: str, found: HeatMap | None, problem: str
) -> list[str]:
    """A line of evidence.csv; of several branches of one scale each has its column."""
    score = "" if result.score is None else f"{result.score:.6f}"
    method = found.method if found else "none" if folder else ""
    weights = [f"{weight:.6f}" for weight in result.weights or ()]
    weights += [""] * (len(detector.model.scales) - len(weights))
    return [result.path, folder, score, result.verdict, method, *weights, result.error or problem]


@style.styled()
def sheet(title: str, shown: Sequence[tuple[str, np.ndarray]], limit: float | None) -> bytes:
    """Tiles (caption, uint8 ``[h, w, 3]``) as a PNG file.

    With a heat map among them ``limit`` is the logit from which on its colours are strongest.
    """
    drawing = style.new_figure(SHEET_TILE * len(shown) + 0.9, SHEET_TILE + 0.9)
    axes = drawing.subplots(1, len(shown), squeeze=False)[0]
    for ax, (caption, pixels) in zip(axes, shown, strict=True):
        ax.imshow(reduced(pixels), interpolation="nearest")
        ax.set_title(style.shorten(caption, 34))
        ax.set(xticks=[], yticks=[])
        ax.grid(False)
    if limit is not None:
        ends = [style.PHOTOGRAPHS, "#dddddd", style.GENERATED]
        scale = cm.ScalarMappable(
            colors.Normalize(-limit, limit), colors.LinearSegmentedColormap.from_list("", ends)
        )
        bar = drawing.colorbar(scale, ax=axes.tolist(), shrink=0.9, pad=0.01, extend="both")
        bar.set_label("logit: orange generated,\nblue photograph")
    drawing.suptitle(style.shorten(title, 110), x=0.01, ha="left", fontsize=9)
    buffer = io.BytesIO()
    drawing.savefig(buffer, format="png", dpi=120)
    return buffer.getvalue()


def reduced(pixels: np.ndarray) -> np.ndarray:
    """Every k-th pixel of what is too large to be shown whole: no interpolation of its own.

    k is odd: residuals have blocks of an even size, in which one pixel is always zero.
    """
    step = -(-max(pixels.shape[:2]) // _LONGEST_SIDE)
    step += step % 2 == 0
    return pixels[::step, ::step]
