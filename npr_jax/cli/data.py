"""``prepare``, ``pairs`` and ``reconstruct``: images in, prepared data sets out."""

from __future__ import annotations

import contextlib
import pathlib
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from input_pipeline.errors import UserError
from npr_jax.cli.command import Command, choice, integer, number, pixels_of, switch, text

if TYPE_CHECKING:
    from input_pipeline.prepare.folders import Source


def _prepare(flags: Any) -> int:
    _check_together(flags)
    if flags.list:
        from input_pipeline.prepare.catalog import format_catalog

        print(format_catalog())
        return 0
    from input_pipeline.prepare.prepare import prepare
    from input_pipeline.prepare.sources import find_source

    if not (flags.check or flags.output):
        raise UserError("prepare needs --output=DIR, a directory that does not exist yet")
    max_pixels = pixels_of(flags.max_megapixels)
    source = find_source(
        flags.source or None,
        dataset=flags.dataset,
        split=flags.split,
        photographs=flags.photographs or None,
        generated=flags.generated or None,
    )
    if flags.check:
        return _check(source, flags.against, flags.output)
    if flags.image_size is not None and flags.storage == "encoded":
        raise UserError(
            f"--image_size={flags.image_size} is for --storage=decoded; files keep their own size"
        )
    with _progress() as progress:
        summary = prepare(
            source,
            flags.output,
            progress=progress,
            name=flags.name,
            storage=flags.storage,
            image_size=flags.image_size,
            max_bad_fraction=flags.max_bad_fraction,
            max_pixels=max_pixels,
        )
    print(summary)
    return 0


def _check_together(flags: Any) -> None:
    """Refuses flags that one of --list, --check and --output has no use for."""
    given = [name for name in flags if flags[name].present]
    if flags.list:
        mode, unused = "--list", [name for name in given if name != "list"]
    elif flags.check:
        only_written = ("name", "storage", "image_size", "max_bad_fraction", "max_megapixels")
        mode, unused = "--check", [name for name in given if name in only_written]
    else:
        mode, unused = "prepare without --check", [name for name in given if name == "against"]
    if unused:
        raise UserError(
            f"{mode} has no use for {', '.join(f'--{name}' for name in unused)}; leave it out"
        )


def _check(source: Source, against: str, output: str) -> int:
    """Prints what is wrong with a source; 1 if anything is, a leak of metadata aside."""
    from input_pipeline.prepare.check import check_source
    from input_pipeline.storage.atomic_files import write_json
    from input_pipeline.storage.path_lists import split_paths
    from input_pipeline.storage.prepared_dataset import PreparedDataset

    target = pathlib.Path(output)
    if output and (target.is_dir() or not target.parent.is_dir()):
        raise UserError(f"--output={output}: with --check, give a file in a directory that exists")
    if target.is_file() and target.stat().st_size and target.suffix.lower() != ".json":
        raise UserError(
            f"--output={output} exists and does not end in .json; give another name, or remove it"
        )
    datasets = [PreparedDataset.load(path) for path in split_paths(against, "--against")]
    with _progress() as progress:
        report = check_source(source, against=datasets, progress=progress)
    print(report)
    if output:
        write_json(target, report.to_json(), sort_keys=True)
    return 1 if report.problems else 0


def _pairs(flags: Any) -> int:
    from input_pipeline.prepare.folders import walk_classes, walk_photographs
    from npr_jax.models.reconstruction.decoders import DECODERS
    from npr_jax.models.reconstruction.pairs import make_pairs

    if not flags.output or bool(flags.source) == bool(flags.photographs):
        raise UserError("pairs needs --photographs=DIR or --source=FOLDERS, and --output=DIR")
    walk = walk_classes if flags.source else walk_photographs
    names = flags.decoders.split(",") if flags.decoders else list(DECODERS)
    with _progress() as progress:
        written = make_pairs(
            walk(flags.source or flags.photographs, flags.split),
            flags.output,
            decoders=[name.strip() for name in names],
            per_photograph=flags.per_photograph,
            largest=flags.largest,
            seed=flags.seed,
            name=flags.name,
            progress=progress,
        )
    for name, split in written.splits.items():
        print(f"{name}: {split.num_examples} images, {split.num_bytes / 1e6:.1f} MB")
        for generator, counts in split.generators.items():
            print(f"  {generator}: {counts['photographs'] or counts['generated']}")
    print(f"written to {written.path}")
    return 0


def _reconstruct(flags: Any) -> int:
    from input_pipeline.storage.prepared_dataset import PreparedDataset
    from npr_jax.cli import host
    from npr_jax.models.diffusion.reconstruct import reconstruct
    from npr_jax.models.pretrained.noise_predictor_file import load_noise_predictor

    for name in ("data", "noise_predictor", "output"):
        if not flags[name].value:
            raise UserError(
                f"reconstruct needs --{name}: reconstruct --data=PREPARED --noise_predictor=FILE "
                "--output=DIR"
            )
    host.use_cores_as_devices()
    predictor = load_noise_predictor(flags.noise_predictor)
    with _progress() as progress:
        written = reconstruct(
            PreparedDataset.load(flags.data),
            predictor,
            flags.output,
            steps=flags.ddim_steps,
            image_size=flags.image_size or 0,
            name=flags.name,
            progress=progress,
        )
    for name, split in written.splits.items():
        print(f"{name}: {split.num_examples} error maps, {split.num_bytes / 1e6:.1f} MB")
    print(f"written to {written.path}")
    return 0


@contextlib.contextmanager
def _progress() -> Iterator[Callable[[int, int], None]]:
    """A bar over files, where somebody watches."""
    from tqdm import tqdm

    with tqdm(unit="file", disable=not sys.stderr.isatty()) as bar:

        def show(seen: int, total: int) -> None:
            bar.total = total
            bar.update(seen - bar.n)

        yield show


PREPARE = Command(
    name="prepare",
    summary="Make a data set from folders of images, or check them.",
    usage="(--source=FOLDERS | --photographs=DIR --generated=DIR) --output=DIR [--name=NAME] "
    "[--dataset=NAME] [--split=NAME] [--list] [--check [--against=PREPARED]]",
    examples=(
        "prepare --source=pictures --output=prepared/mine",
        "prepare --photographs=DIR --generated=DIR --output=prepared/mine --split=train",
        "prepare --dataset=forensynths --source=ForenSynths --check",
        "prepare --list",
    ),
    define=(
        text("source", "Tree [split/][generator/][class/]{0_real,1_fake}/*."),
        text("photographs", "Tree of photographs, with --generated."),
        text("generated", "Tree of generated images, with --photographs."),
        text("dataset", "Which published data set --source is, see --list."),
        text("split", "Name of the only split, for trees that name none."),
        text("output", "Directory to write, which does not exist yet; with --check: JSON file."),
        text("name", "Name of the data set. Without it: the source's."),
        choice(
            "storage",
            "encoded",
            ["encoded", "decoded"],
            "What a record holds: the file's own bytes, or pixels.",
        ),
        integer(
            "image_size",
            None,
            "With --storage=decoded: side in pixels that images are squashed to; 0: native.",
        ),
        number("max_megapixels", 250, "Largest picture, in megapixels; larger ones are left out."),
        number("max_bad_fraction", 0.05, "Stop if a larger share of the files is unreadable."),
        switch("list", "Print the catalogue of published data sets."),
        switch("check", "Examine the source; write nothing but --output=X.json."),
        text("against", "With --check: prepared data sets, A or A,B, that share no file with it."),
    ),
    run=_prepare,
)
PAIRS = Command(
    name="pairs",
    summary="Make a data set of photographs and their reconstructions.",
    usage="(--photographs=DIR | --source=FOLDERS) --output=DIR "
    "[--split=NAME] [--decoders=A,B] [--per_photograph=N] [--largest=PIXELS] [--seed=N] "
    "[--name=NAME]",
    examples=(
        "pairs --photographs=my_photographs --output=prepared/pairs",
        "pairs --source=pictures --decoders=vae4,fir --output=prepared/pairs",
    ),
    define=(
        text("photographs", "Tree of photographs; its topmost folders name their sources."),
        text("source", "Tree [split/][generator/][class/]{0_real,1_fake}/*: its photographs."),
        text(
            "split", "Name of the only split, for trees that name none. Without it: train or test."
        ),
        text("output", "Directory to write, which does not exist yet."),
        text("decoders", "Decoders to draw from, A or A,B. Without it: all."),
        integer("per_photograph", 2, "Reconstructions of each, by different decoders."),
        integer("largest", 512, "Side in pixels of the part cut from a photograph's centre."),
        integer("seed", 0, "Seed of the choice of decoders."),
        text("name", "Name of the data set. Without it: the source's."),
    ),
    run=_pairs,
)
RECONSTRUCT = Command(
    name="reconstruct",
    summary="Make the error maps that the system dire is trained on.",
    usage="--data=PREPARED --noise_predictor=FILE --output=DIR [--name=NAME] [--ddim_steps=N]",
    examples=("reconstruct --data=prepared/mine --noise_predictor=runs/noise --output=maps",),
    define=(
        text("data", "A prepared data set."),
        text("noise_predictor", "File of a noise predictor, or the run that made it."),
        text("output", "Directory to write, which does not exist yet."),
        integer("ddim_steps", 20, "Steps of the inversion, and as many back."),
        integer(
            "image_size", None, "Side in pixels of the images. Without it: the noise predictor's."
        ),
        text("name", "Name of the data set. Without it: the source's."),
    ),
    run=_reconstruct,
)
