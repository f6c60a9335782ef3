"""Writes the embedded data set: photographs of scenes and their generated counterparts.

Both classes share scenes, lens, sensor, noise model, rounding and storage. A photograph is the
noise-free picture plus the sensor's noise; a generated image is what a family's network makes of
the noise-free picture, plus the same kind of noise, drawn independently.
"""

import concurrent.futures
import dataclasses
import hashlib
import json
import multiprocessing
import os
import pathlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import threadpoolctl

from input_pipeline.cores import available_cores
from input_pipeline.errors import UserError
from input_pipeline.images.file_tree import walk_files
from input_pipeline.loading.parallel import ahead
from input_pipeline.loading.worker_processes import end_with_parent
from input_pipeline.simulation import baselines, camera, decoders, matching
from input_pipeline.storage import dataset_writer, records
from input_pipeline.storage.atomic_files import write_json
from input_pipeline.storage.prepared_dataset import PreparedDataset

FAMILIES: tuple[str, ...] = tuple(decoders.FAMILIES)  # in the order of the test split
PHOTOGRAPHS = "photographs"
BASELINES_FILE = "baselines.json"

_SPLITS = ("train", "validation", "test")
_SPLIT_STRIDE = 10_000_000
_BATCH = 16
_AHEAD = 4
_INPUT_NOISE_STREAM = 15
_PHOTO_SUFFIXES = (".jpg", ".jpeg", ".png", ".tif", ".tiff", ".webp", ".bmp")


@dataclasses.dataclass(frozen=True)
class _Plan:
    """Everything that decides what the data set holds."""

    size: int
    counts: tuple[int, int, int]
    train_family: str
    seed: int
    photos: tuple[pathlib.Path, ...]


def build_simulation(
    output: str | os.PathLike[str],
    *,
    size: int,
    train_per_class: int,
    validation_per_class: int,
    test_per_family: int,
    train_family: str,
    seed: int,
    photos: str = "",
    workers: int | None = None,
) -> None:
    """Writes the simulated data set as a prepared directory, or keeps the one already there.

    Splits `train` and `validation` hold photographs and images of `train_family` of the same
    scenes; `test` holds photographs and every family's version of them. `baselines.json` holds the
    AUC of classifiers that must not work, per family.

    Args:
        output: the directory.
        size: height and width of the images in pixels, a multiple of 8 from 32 to 512.
        train_per_class: scenes of split train; `validation_per_class`: of split validation.
        test_per_family: scenes of split test, each once as photograph and once per family.
        train_family: name in `FAMILIES`.
        seed: of scenes, cameras and noise, 0 or more.
        photos: folder of photographs to take scenes from; '' renders scenes.
        workers: processes that render; None takes one per core, 0 renders in this process. The
            images do not depend on it.

    Raises:
        ValueError: a setting is not allowed, `photos` has too few or too small photographs, or
            `output` holds something else.
    """
    counts = (train_per_class, validation_per_class, test_per_family)
    _check(size, counts, train_family, seed)
    plan = _Plan(size, counts, train_family, seed, _photographs(photos, size))
    fingerprint = _fingerprint(plan)
    output = pathlib.Path(output)
    if not _already_there(output, plan, fingerprint):
        with _executor(workers, sum(counts)) as executor:
            dataset_writer.write_dataset(
                output,
                "simulation",
                {split: _split_records(plan, split, executor) for split in _SPLITS},
                _info(plan, fingerprint),
            )
    if not (output / BASELINES_FILE).exists():
        _write_baselines(output)


def _write_baselines(output: pathlib.Path) -> None:
    """Runs the cheap classifiers on split test of a simulated data set and writes the AUCs."""
    source = PreparedDataset.load(output).source("test")
    groups: dict[str, list[records.ImageRecord]] = {}
    for i in range(len(source)):
        record = records.decode_record(source[i])
        groups.setdefault(record.generator, []).append(record)
    photographs = groups.pop(PHOTOGRAPHS)
    result = {name: baselines.measure(photographs, made) for name, made in groups.items()}
    write_json(output / BASELINES_FILE, result)


def generate(
    family: str, clean: np.ndarray, noise: np.ndarray, seed: int, indices: Sequence[int]
) -> np.ndarray:
    """A family's version of noise-free pictures.

    Args:
        family: one of `FAMILIES`.
        clean: float32 [n, h, w, 3] with the margin of `camera.MARGIN`.
        noise: float32 [n, h - 2 MARGIN, w - 2 MARGIN, 3], sensor noise to add.
        seed: seed of the data set.
        indices: numbers of the scenes, for the noise that some networks start from.

    Returns:
        uint8, the shape of `noise`.
    """
    return matching.finish(_made(family, clean, seed, indices), camera.inner(clean), noise)


def _made(family: str, clean: np.ndarray, seed: int, indices: Sequence[int]) -> np.ndarray:
    level = decoders.FAMILIES[family].input_noise
    if level > 0:
        clean = np.array(clean)
        number = FAMILIES.index(family)
        for picture, index in zip(clean, indices, strict=True):
            rng = np.random.default_rng([seed, index, _INPUT_NOISE_STREAM, number])
            picture += level * rng.standard_normal(picture.shape, dtype=np.float32)
    return camera.inner(decoders.decode(family, clean, _BATCH))


def _split_records(
    plan: _Plan, split: str, executor: concurrent.futures.Executor
) -> Iterator[records.ImageRecord]:
    number = _SPLITS.index(split)
    families = FAMILIES if split == "test" else (plan.train_family,)
    takes = (0, *(1 + FAMILIES.index(family) for family in families))
    photos = plan.photos[number :: len(_SPLITS)]
    first = number * _SPLIT_STRIDE
    every = range(first, first + plan.counts[number])
    batches = [every[start : start + _BATCH] for start in range(0, len(every), _BATCH)]

    def develop(
        indices: range, clean: np.ndarray, noise: np.ndarray
    ) -> Iterator[tuple[str, range, Callable[[], np.ndarray]]]:
        """What a batch of scenes gives: (family, indices, what makes the pixels)."""
        reference = camera.inner(clean)
        photographs = camera.quantise(reference + noise[:, 0])
        yield PHOTOGRAPHS, indices, lambda: photographs
        for column, family in enumerate(families, start=1):
            made = _made(family, clean, plan.seed, indices)
            work = executor.submit(matching.finish, made, reference, noise[:, column])
            yield family, indices, work.result

    rendered = (
        (part, executor.submit(camera.shoot, plan.seed, part, plan.size, takes, photos))
        for part in batches
    )
    jobs = (
        job for indices, work in ahead(rendered, _AHEAD) for job in develop(indices, *work.result())
    )
    for generator, indices, images in ahead(jobs, _AHEAD):
        label = records.PHOTOGRAPH if generator == PHOTOGRAPHS else records.GENERATED
        for image, index in zip(images(), indices, strict=True):
            yield records.ImageRecord(
                image=image.tobytes(),
                storage="decoded",
                height=plan.size,
                width=plan.size,
                label=label,
                generator=generator,
                filename=f"{generator}/{index:08d}",
            )


def _executor(workers: int | None, scenes: int) -> concurrent.futures.Executor:
    """Processes for rendering, or this one where it is enough."""
    number = available_cores() if workers is None else workers
    if number == 0 or (workers is None and scenes <= 4 * _BATCH):
        return _InThisProcess()
    return concurrent.futures.ProcessPoolExecutor(
        number,
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_begin_work,
    )


def _begin_work() -> None:
    end_with_parent()
    # Matrices are small: threads of the linear algebra library would only wait for each other.
    threadpoolctl.threadpool_limits(1)


class _InThisProcess(concurrent.futures.Executor):
    def submit(self, function: Callable, /, *arguments: Any, **_: Any) -> concurrent.futures.Future:
        done: concurrent.futures.Future = concurrent.futures.Future()
        done.set_result(function(*arguments))
        return done


def _check(size: int, counts: tuple[int, int, int], train_family: str, seed: int) -> None:
    if size % decoders.MULTIPLE or not 32 <= size <= 512:
        raise UserError(
            f"data.simulation.size is {size}; allowed are multiples of {decoders.MULTIPLE} from 32 "
            "to 512 pixels."
        )
    names = ("train_per_class", "validation_per_class", "test_per_family")
    for name, count in zip(names, counts, strict=True):
        if not 1 <= count < _SPLIT_STRIDE:
            raise UserError(f"data.simulation.{name} is {count}; it must be at least 1.")
    if train_family not in FAMILIES:
        raise UserError(
            f"data.simulation.train_family is {train_family!r}; allowed are {', '.join(FAMILIES)}."
        )
    if seed < 0:
        raise UserError(f"the seed is {seed}; it must be 0 or more.")


def _photographs(photos: str, size: int) -> tuple[pathlib.Path, ...]:
    """The files of a folder that are large enough to be scenes, by path."""
    if not photos:
        return ()
    from PIL import Image

    folder = pathlib.Path(photos)
    if not folder.is_dir():
        raise UserError(f"data.photos is {photos!r}, which is not a folder; give a folder.")
    side = 2 * (size + 2 * camera.MARGIN)
    files = []
    found = (file for file in walk_files(folder) if not (file.left_out or file.problem))
    for path in sorted(pathlib.Path(file.path) for file in found):
        if path.suffix.lower() in _PHOTO_SUFFIXES:
            try:
                with Image.open(path) as image:
                    large = min(image.size) >= side
            except (OSError, Image.DecompressionBombError):
                continue
            if large:
                files.append(path)
    if len(files) < len(_SPLITS):
        raise UserError(
            f"data.photos {photos!r} has {len(files)} readable photographs of at least {side} x "
            f"{side} pixels; at least {len(_SPLITS)} are needed, one per split. Add photographs or "
            "lower data.simulation.size."
        )
    return tuple(files)


def _info(plan: _Plan, fingerprint: str) -> dict[str, object]:
    return {
        "made_by": "simulation",
        "fingerprint": fingerprint,
        "seed": plan.seed,
        "train_family": plan.train_family,
        "families": {name: family.summary for name, family in decoders.FAMILIES.items()},
        "scenes": f"{len(plan.photos)} photographs" if plan.photos else "rendered",
    }


def _fingerprint(plan: _Plan) -> str:
    """SHA-256 of the settings, the code and the weights that make the data."""
    digest = hashlib.sha256()
    settings = (plan.size, plan.counts, plan.train_family, plan.seed)
    digest.update(json.dumps(settings).encode())
    for path in plan.photos:
        digest.update(f"{path.name}\0{path.stat().st_size}\0".encode())
    folder = pathlib.Path(__file__).parent
    names = ("scenes", "camera", "decoders", "matching", "dataset")
    code = [folder / f"{name}.py" for name in names]
    for path in [*code, *sorted(decoders.weights_directory().glob("*.npz"))]:
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _already_there(output: pathlib.Path, plan: _Plan, fingerprint: str) -> bool:
    if not output.exists() or (output.is_dir() and not any(output.iterdir())):
        return False
    found = PreparedDataset.load(output)
    known = found.info.get("fingerprint")
    if known != fingerprint and not _is_same(found, plan):
        raise UserError(
            f"{output} holds a data set made with other settings or another version (fingerprint "
            f"{str(known)[:12]}, wanted {fingerprint[:12]}). Remove it, or give another "
            "data.simulation.directory."
        )
    return True


def _is_same(found: PreparedDataset, plan: _Plan) -> bool:
    """Whether another version of this code made the same images.

    Judged by the settings and by the first scene of split train, which is made again: as photograph
    and as generated image. One level of difference is the rounding of another machine.
    """
    per_scene = (2, 2, 1 + len(FAMILIES))
    images = {name: n * k for name, n, k in zip(_SPLITS, plan.counts, per_scene, strict=True)}
    wanted = _info(plan, str(found.info.get("fingerprint"))) | {"image_size": plan.size}
    if any(found.info.get(key) != value for key, value in wanted.items()):
        return False
    if {name: split.num_examples for name, split in found.splits.items()} != images:
        return False
    takes, photos = (0, 1 + FAMILIES.index(plan.train_family)), plan.photos[:: len(_SPLITS)]
    clean, noise = camera.shoot(plan.seed, (0,), plan.size, takes, photos)
    photograph = camera.quantise(camera.inner(clean) + noise[:, 0])
    made = generate(plan.train_family, clean, noise[:, 1], plan.seed, (0,))
    source = found.source("train")
    for index, [image] in ((0, photograph), (min(_BATCH, plan.counts[0]), made)):
        stored = records.image_array(records.decode_record(source[index]))
        if np.abs(stored.astype(int) - image).max() > 1:
            return False
    return True
