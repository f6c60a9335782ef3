"""`pairs`: photographs and their reconstructions as a data set whose labels differ by nothing else.

Both go the same way: decoded, cut to the same part, (the decoder,) saved as the photograph's file
was saved. So a photograph's own bytes are not kept: they were compressed once, its reconstruction,
made of pixels that had been compressed already, would have been twice. A JPEG saved again with its
own tables, on its own grid of blocks, hardly changes.
"""

import hashlib
import logging
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from input_pipeline.errors import UserError
from input_pipeline.images.problems import UnreadableImageError
from input_pipeline.images.resaving import has_palette, saving_of
from input_pipeline.images.transforms import decode
from input_pipeline.prepare.folders import ImageFile, Source
from input_pipeline.storage.atomic_files import resumable_directory
from input_pipeline.storage.dataset_writer import SHARD_BYTES, check_names, finish_dataset
from input_pipeline.storage.path_lists import check_listable
from input_pipeline.storage.prepared_dataset import DATASET_FILE, PreparedDataset
from input_pipeline.storage.records import GENERATED, PHOTOGRAPH, ImageRecord
from input_pipeline.storage.shard_writer import Skipped, finished_shards, write_split
from npr_jax.models.reconstruction import fitted
from npr_jax.models.reconstruction.decoders import DECODERS, find_decoder

MADE_BY = "pairs"
# Sides and places of the cut: whole blocks of JPEG with halved colours, and of every decoder.
GRID = 16
SMALLEST = 64  # pixels of a side
LARGEST = 512
PREFIX = "reconstructed_"  # of the generator's name, before that of the decoder


class Reconstructor:
    """Reconstructs pictures of any size from 1x1 to ``largest`` by a fitted decoder each."""

    def __init__(self, names: Sequence[str], largest: int, weights: Path | None = None):
        """``names`` of decoders; ``weights``: the folder of theirs, None for the package's."""
        if not names or len(set(names)) < len(names):
            raise UserError(f"decoders are {list(names)}; name at least one, and each once")
        self.names, self.largest = tuple(names), largest
        self._decoders = {name: fitted.load_decoder(name, weights) for name in names}

    def __call__(self, name: str, picture: np.ndarray, seed: int) -> np.ndarray:
        """The reconstruction of uint8 ``[h, w, 3]``; ``seed`` of the noise of a denoiser."""
        height, width, _ = picture.shape
        # One size for all, so that every decoder is compiled once.
        beyond = ((0, self.largest - height), (0, self.largest - width), (0, 0))
        padded = np.pad(picture, beyond, mode="symmetric")[None]
        made = self._decoders[name](padded, jax.random.key(seed))
        return np.asarray(made)[0, :height, :width]


class _Settings(NamedTuple):
    per_photograph: int  # reconstructions
    seed: int


def make_pairs(
    source: Source,
    output: str | os.PathLike[str],
    *,
    decoders: Sequence[str] = tuple(DECODERS),
    per_photograph: int = 2,
    largest: int = LARGEST,
    seed: int = 0,
    name: str = "",
    weights: Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> PreparedDataset:
    """Writes the photographs of a source and their reconstructions as a prepared data set.

    Every photograph is followed by its reconstructions; their records have the same `pair`. A
    reconstruction's file name is the photograph's, ``@`` and the decoder; its generator
    ``reconstructed_`` and the decoder. Which decoders a photograph gets depends on its content and
    the seed alone. Photographs that are unreadable or too small are listed in `skipped.csv`, as is
    what the source leaves out. A run that was interrupted goes on when it is called again with the
    same arguments.

    Args:
        source: of which the photographs are taken; generated images are left alone.
        output: directory to write; it must not exist yet.
        decoders: names in ``DECODERS`` to draw from.
        per_photograph: reconstructions of each, by different decoders.
        largest: side in pixels of the central part that is cut from a photograph, a multiple of
            ``GRID`` from ``SMALLEST``; sides are cut to multiples of ``GRID``.
        seed: of the choice of decoders and of denoisers' noise.
        name: name of the data set; '' takes the source's with ``_pairs`` behind.
        weights: folder of the decoders' weights; None takes the package's.
        progress: called with (photographs done, photographs in all) after each.

    Raises:
        ValueError: an argument is not allowed, the output exists, or no photograph can be used.
    """
    check_listable(output, "--output")
    for decoder in decoders:
        find_decoder(decoder)
    if largest < SMALLEST or largest % GRID:
        raise UserError(
            f"--largest is {largest}; expected a multiple of {GRID} pixels from {SMALLEST}"
        )
    if not 1 <= per_photograph <= len(decoders):
        raise UserError(
            f"--per_photograph is {per_photograph}; expected 1 to {len(decoders)}, the number of "
            "decoders to draw from"
        )
    if seed < 0:
        raise UserError(f"--seed is {seed}; expected 0 or more")
    splits = {
        split: photographs
        for split, files in sorted(source.splits.items())
        if (photographs := [file for file in files if file.label == PHOTOGRAPH])
    }
    if not splits:
        raise UserError(f"{source.origin} holds no photographs to reconstruct")
    name = name or f"{source.origin.lower()}_pairs"
    check_names(name, splits)
    run = Reconstructor(decoders, largest, weights)
    plan: dict[str, Any] = {
        "name": name,
        "source": source.origin,
        "source_sha256": source.fingerprint(),
        "decoders": {name: _hash_of(name, weights) for name in decoders},
        "per_photograph": per_photograph,
        "largest": largest,
        "seed": seed,
    }
    strays = [*source.strays]
    with resumable_directory(Path(output), plan) as folder:
        if not (folder / DATASET_FILE).exists():
            _write_splits(folder, splits, run, _Settings(per_photograph, seed), progress)
            for split, left_out in _without_use(folder, splits).items():
                logging.warning("split %s: none of its photographs can be used", split)
                splits.pop(split)
                strays += left_out
        about = {
            "made_by": MADE_BY,
            "title": f"{source.origin}: photographs and their reconstructions",
            "licence": "Unknown; the images remain under the terms of their sources.",
            "pairs": {key: plan[key] for key in ("decoders", "per_photograph", "largest", "seed")},
        }
        finish_dataset(folder, name, list(splits), about, strays)
    return PreparedDataset.load(output)


def _write_splits(
    folder: Path,
    splits: Mapping[str, Sequence[ImageFile]],
    run: Reconstructor,
    settings: _Settings,
    progress: Callable[[int, int], None] | None,
) -> None:
    """Writes what is still missing of every split."""
    total, before = sum(map(len, splits.values())), 0
    for split, files in splits.items():
        shards = finished_shards(folder, split)
        skipped = sum(len(shard.skipped) for shard in shards)
        records = sum(shard.records for shard in shards)
        whole, part = divmod(records, settings.per_photograph + 1)
        done = skipped + whole
        numbered = enumerate(files[done:], start=before + done + 1)

        def items(numbered=numbered, part=part) -> Iterator[ImageRecord | Skipped]:
            for number, file in numbered:
                made = _pair(file, run, settings)
                # A shard that ended within a pair has its first records already.
                yield from made[part:]
                part = 0
                if progress is not None:
                    progress(number, total)

        write_split(folder, split, items(), SHARD_BYTES)
        before += len(files)


def cut(pixels: np.ndarray, largest: int) -> np.ndarray:
    """The central part of uint8 ``[h, w, 3]``; its sides and place are multiples of ``GRID``."""
    begins, sides = [], []
    for length in pixels.shape[:2]:
        side = min(length, largest) // GRID * GRID
        sides.append(side)
        begins.append((length - side) // 2 // GRID * GRID)
    (top, left), (height, width) = begins, sides
    return np.ascontiguousarray(pixels[top : top + height, left : left + width])


def drawn_decoders(digest: str, names: Sequence[str], count: int, seed: int) -> list[str]:
    """``count`` different names for the photograph whose file has this SHA-256 in hex."""
    chosen = np.random.default_rng([seed, int(digest[:16], 16)]).choice(
        len(names), count, replace=False
    )
    return [names[number] for number in chosen]


def _pair(file: ImageFile, run: Reconstructor, settings: _Settings) -> list[ImageRecord | Skipped]:
    """The records of a photograph, itself first, or why there are none."""
    try:
        data = Path(file.path).read_bytes()
        photograph, saving = cut(decode(data), run.largest), saving_of(data)
        palette = has_palette(data)
    except (OSError, UnreadableImageError) as error:
        return [Skipped(file.filename, str(error), "unreadable")]
    if palette:
        return [Skipped(file.filename, "its few colours would tell it from its pair", "palette")]
    if min(photograph.shape[:2]) < SMALLEST:
        return [Skipped(file.filename, f"a side is below {SMALLEST} pixels", "too small")]
    digest = hashlib.sha256(data).hexdigest()

    def record(pixels: np.ndarray, label: int, generator: str, filename: str, sha256: str = ""):
        """A record of the pair, saved as the photograph was."""
        return ImageRecord(
            saving.save(pixels),
            "encoded",
            height=pixels.shape[0],
            width=pixels.shape[1],
            label=label,
            generator=generator,
            filename=filename,
            class_name=file.class_name,
            sha256=sha256,
            pair=digest[:16],
        )

    made = [record(photograph, PHOTOGRAPH, file.generator, file.filename, digest)]
    noise_seed = (settings.seed + int(digest[16:24], 16)) % 2**32
    for name in drawn_decoders(digest, run.names, settings.per_photograph, settings.seed):
        pixels = run(name, photograph, noise_seed)
        made.append(record(pixels, GENERATED, PREFIX + name, f"{file.filename}@{name}"))
    return [*made]


def _without_use(folder: Path, splits: Iterable[str]) -> dict[str, list[Skipped]]:
    """{split of whose photographs none can be used: why}; ``UserError`` where that is every one."""
    found: dict[str, list[Skipped]] = {}
    used = False
    for split in splits:
        shards = finished_shards(folder, split)
        if any(shard.records for shard in shards):
            used = True
        else:
            found[split] = [entry for shard in shards for entry in shard.skipped]
    if not used:
        left_out = [entry for entries in found.values() for entry in entries]
        raise UserError(
            f"none of the {len(left_out)} photographs can be used, {left_out[0].path} for one: "
            f"{left_out[0].reason}; expected pictures without a palette of at least {SMALLEST} x "
            f"{SMALLEST} pixels"
        )
    return found


def _hash_of(name: str, weights: Path | None) -> str:
    path = (weights or fitted.weights_directory()) / f"{name}.safetensors"
    return hashlib.sha256(path.read_bytes()).hexdigest()
