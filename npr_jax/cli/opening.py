"""What a command scores with, and on what: from flags to a detector, settings and a data set."""

from __future__ import annotations

import pathlib
import sys
from typing import Any

import ml_collections

from configs import default
from input_pipeline.errors import UserError
from input_pipeline.loading.mixture import MixedDataset
from input_pipeline.storage.path_lists import split_paths
from npr_jax.cli import host
from npr_jax.config import check_config
from npr_jax.evaluation.protocol import departure, use_protocol
from npr_jax.inference.detector import Detector
from npr_jax.inference.ensemble import Ensemble
from npr_jax.training import inputs


def open_test(
    command: str, flags: Any
) -> tuple[Detector | Ensemble, ml_collections.ConfigDict, MixedDataset, pathlib.Path]:
    """Detector, settings, data set and directory of a command that scores a test split.

    Raises:
        ValueError: for flags that do not go together, or name what is not there.
    """
    host.use_cores_as_devices()
    host.keep_freed_memory(host.LARGEST_KEPT_WHEN_SCORING)
    as_published = flags.resize == "protocol"
    detector = load_detector(
        flags.workdir,
        flags.weights,
        checkpoint=flags.checkpoint,
        resize=None if as_published else resize_of(flags.resize),
    )
    if flags.weights and not (flags.data and flags.output):
        raise UserError(
            f"{command} --weights needs --data=PREPARED and --output=DIR for the results"
        )
    if flags.output and pathlib.Path(flags.output).is_file():
        raise UserError(f"--output={flags.output} is a file; {command} needs a directory")
    settings = detector.config or default.get_config()
    settings = settings.copy_and_resolve_references()
    if flags.data:
        # Weights are of the data sets trained on; evaluation takes every image once.
        settings.data.path, settings.data.weights = flags.data, ()
    settings.data.test_split = flags.split or settings.data.test_split
    settings.data.delivery = flags.delivery or settings.data.delivery
    check_config(settings)
    if len(detector.members) > 1 and not flags.output:
        raise UserError(
            f"{command} --workdir={flags.workdir} is an ensemble; give --output=DIR for its results"
        )
    directory = pathlib.Path(flags.output or flags.workdir)
    # Where the runs' own simulation lies, of an ensemble the first run's.
    home = workdirs_of(flags.workdir)[0] if flags.workdir else flags.output
    dataset = inputs.open_dataset(settings, pathlib.Path(home))
    for member in detector.members:
        if as_published:
            use_protocol(member, settings, dataset)
        elif note := departure(member, settings, dataset):
            print(note, file=sys.stderr)
    return detector, settings, dataset, directory


def load_detector(
    workdir: str, weights: str, *, checkpoint: str = "best", resize: int | None = None
) -> Detector | Ensemble:
    """A run's detector, an ensemble of several runs' or published weights, whichever is named.

    Args:
        workdir: a run, or several separated by commas; empty: none.
        weights: a file; empty: none.
        checkpoint: ``best`` or ``last``, of every run.
        resize: see ``Detector``; None: as each run's config says.

    Raises:
        ValueError: unless exactly one of workdir and weights is given.
    """
    if bool(workdir) == bool(weights):
        given = f"--workdir={workdir} and --weights={weights}" if workdir else "neither"
        raise UserError(f"give either --workdir=RUN or --weights=FILE; got {given}")
    files = split_paths(weights, "--weights")
    if len(files) > 1:
        if len(files) != 2:
            raise UserError(
                f"--weights={weights}; expected one file, or UnivFD's linear layer and CLIP's "
                "weights, as fc_weights.pth,CLIP.safetensors"
            )
        return Detector.from_univfd(*files, resize=resize or 0)
    if weights:
        return Detector.from_weights(weights, resize=resize)
    workdirs = workdirs_of(workdir)
    if len(workdirs) > 1:
        return Detector.ensemble(workdirs, checkpoint=checkpoint, resize=resize)
    return Detector.load(workdirs[0], checkpoint=checkpoint, resize=resize)


def load_one_detector(command: str, flags: Any) -> Detector:
    """As ``load_detector``, for a command that has no use for several.

    Raises:
        ValueError: for several runs, or flags that name no detector.
    """
    if len(workdirs_of(flags.workdir)) > 1:
        raise UserError(
            f"{command} --workdir={flags.workdir}: {command} takes one detector, not an ensemble; "
            "give one run"
        )
    detector = load_detector(
        flags.workdir, flags.weights, checkpoint=flags.checkpoint, resize=resize_of(flags.resize)
    )
    [one] = detector.members
    return one


def workdirs_of(text: str) -> list[str]:
    """The runs that ``--workdir=A,B`` names, see ``split_paths``.

    Raises:
        ValueError: if there is nothing before, after or between commas, or a run is there twice.
    """
    names = split_paths(text, "--workdir")
    if len({pathlib.Path(name).resolve() for name in names}) < len(names):
        raise UserError(f"--workdir={text} names a run twice; give each of them once")
    return names


def resize_of(text: str) -> int | None:
    """The side that ``--resize`` asks for: 0 for native, None where it is empty.

    Raises:
        ValueError: for anything else.
    """
    if not text:
        return None
    if text == "native":
        return 0
    if not text.isdecimal():
        raise UserError(
            f"--resize={text}; expected native or a number of pixels, as 256, or "
            "for evaluate protocol"
        )
    return int(text)
