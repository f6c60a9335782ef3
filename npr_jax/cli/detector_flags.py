"""The flags that name a detector and test data, and what they name."""

from __future__ import annotations

import logging
import math
import pathlib
import sys
from typing import TYPE_CHECKING, Any

from input_pipeline.errors import UserError
from input_pipeline.storage.path_lists import split_paths
from npr_jax.cli.command import Define, choice, text
from npr_jax.inference.engines import ENGINES, may_have_accelerator

if TYPE_CHECKING:
    from ml_collections import ConfigDict

    from input_pipeline.loading.mixture import MixedDataset
    from npr_jax.inference.detector import Detector
    from npr_jax.inference.ensemble import Ensemble
    from npr_jax.inference.file_detector import FileDetector
    from npr_jax.inference.packed_detector import PackedDetector

_LOG = logging.getLogger(__name__)

DATA_FLAGS = (
    text("data", "Prepared data sets, A or A,B. Without it: the run's own."),
    text("split", "Which split is scored. Without it: the one that the run's recipe names."),
)


def run_flags(what: str = "Directory of the run.") -> tuple[Define, ...]:
    """--workdir and --checkpoint."""
    which = choice("checkpoint", "best", ["best", "last"], "Which checkpoint of the run.")
    return text("workdir", what), which


def flags_of_detector(*, ensembles: bool = True) -> tuple[Define, ...]:
    """--workdir, --checkpoint and --weights; the default detector without any.

    ``ensembles``: whether the command takes several runs.
    """
    several = "; A,B,C: the ensemble of several" if ensembles else ""
    return (
        *run_flags(
            f"Directory of the run{several}. Without it and --weights: the bundled detector."
        ),
        text(
            "weights",
            "Instead of a run: a detector that `export --format=detector` wrote (its folder or "
            "card), or a file of published weights. UnivFD has two: "
            "fc_weights.pth,CLIP.safetensors.",
        ),
    )


def resize_flag(*, protocol: bool = False) -> Define:
    """--resize, also protocol where that is said."""
    as_published = "; protocol: as published for the data set" if protocol else ""
    return text(
        "resize",
        f"Side in pixels that pictures are squashed to first; native: none{as_published}. "
        "Without it: what the detector was trained for.",
    )


def engine_flag(*others: str) -> Define:
    """--engine; ``others``: engines of one command alone."""
    return choice(
        "engine",
        "auto",
        [*ENGINES, *others],
        "What runs the network. auto: ONNX Runtime where it is installed, it can run this network "
        "and there is no accelerator; else Flax."
        + (" ray: the same on all cores or a Ray cluster, see docs/scale.md." if others else ""),
    )


def precision_flag() -> Define:
    """--precision, of the files that lie beside a card."""
    return choice(
        "precision",
        "float32",
        ["float32", "int8"],
        "What the network computes in. int8: in 8 bits, by ONNX Runtime on the CPU, of the bundled "
        "detector or one with such a file: faster, with scores that differ a little.",
    )


def heat_map_flag(what: str) -> Define:
    """--heat_map."""
    return choice("heat_map", "auto", ["auto", "positions", "occlusion"], what)


def open_test(
    command: str, flags: Any, *, delivery: str = ""
) -> tuple[Detector | Ensemble, ConfigDict, MixedDataset, pathlib.Path]:
    """Detector, settings, data set and directory of a command that scores a test split.

    Flags are those of ``flags_of_detector`` and ``DATA_FLAGS``, and ``output``. ``delivery``: how
    images are sent first, see ``configs/default.py``; empty: as the recipe says. ``UserError`` for
    flags that do not go together, or name what is not there.
    """
    from configs import default
    from npr_jax.cli import host
    from npr_jax.config import check_config
    from npr_jax.evaluation.protocol import as_published, departure
    from npr_jax.training import inputs

    if not (flags.workdir or (flags.data and flags.output)):
        raise UserError(
            f"{command} needs --workdir=RUN, or --data=PREPARED and --output=DIR for the results"
        )
    host.use_cores_as_devices()
    host.keep_freed_memory(host.LARGEST_KEPT_WHEN_SCORING)
    by_protocol = flags.resize == "protocol"
    detector = load_detector(
        flags.workdir,
        flags.weights,
        checkpoint=flags.checkpoint,
        resize=None if by_protocol else resize_of(flags.resize),
    )
    if flags.output and pathlib.Path(flags.output).is_file():
        raise UserError(f"--output={flags.output} is a file; {command} needs a directory")
    settings = detector.config or default.get_config()
    settings = settings.copy_and_resolve_references()
    if flags.data:
        # Weights are of the data sets trained on; evaluation takes every image once.
        settings.data.path, settings.data.weights = flags.data, ()
    settings.data.test_split = flags.split or settings.data.test_split
    settings.data.delivery = delivery or settings.data.delivery
    check_config(settings)
    if len(detector.members) > 1 and not flags.output:
        raise UserError(
            f"{command} --workdir={flags.workdir} is an ensemble; give --output=DIR for its results"
        )
    directory = pathlib.Path(flags.output or flags.workdir)
    # Where the runs' own simulation lies, of an ensemble the first run's.
    home = workdirs_of(flags.workdir)[0] if flags.workdir else flags.output
    dataset = inputs.open_dataset(settings, pathlib.Path(home))
    split = settings.data.test_split
    if by_protocol:
        return as_published(detector, split, dataset), settings, dataset, directory
    for member in detector.members:
        if note := departure(member, split, dataset):
            print(note, file=sys.stderr)
    return detector, settings, dataset, directory


def load_detector(
    workdir: str, weights: str, *, checkpoint: str = "best", resize: int | None = None
) -> Detector | Ensemble:
    """A run's detector, an ensemble of several runs' or one from files, whichever is named.

    The default detector where none is. ``workdir``: a run, or several separated by commas;
    ``weights``: a card or published weights; ``checkpoint``: ``best`` or ``last``, of every run;
    ``resize``: see ``Detector``.
    """
    if workdir and weights:
        raise UserError(
            f"give either --workdir=RUN or --weights=FILE, or none of them for the default "
            f"detector; got --workdir={workdir} and --weights={weights}"
        )
    if not workdir and checkpoint != "best":
        raise UserError(
            f"--checkpoint={checkpoint} is of a run; give its --workdir=RUN, or leave it out"
        )
    from npr_jax.detectors.card import find_card
    from npr_jax.inference.detector import Detector

    files = split_paths(weights, "--weights")
    if len(files) > 1:
        if len(files) != 2:
            raise UserError(
                f"--weights={weights}; expected one file, or UnivFD's linear layer and CLIP's "
                "weights, as fc_weights.pth,CLIP.safetensors"
            )
        return Detector.from_univfd(*files, resize=resize or 0)
    if weights and (find_card(weights) or pathlib.Path(weights).is_dir()):
        return Detector.from_card(weights, resize=resize)
    if weights:
        return Detector.from_weights(weights, resize=resize)
    if not workdir:
        return Detector.default(resize=resize)
    workdirs = workdirs_of(workdir)
    if len(workdirs) > 1:
        from npr_jax.inference.ensemble import Ensemble

        return Ensemble.load(workdirs, checkpoint=checkpoint, resize=resize)
    return Detector.load(workdirs[0], checkpoint=checkpoint, resize=resize)


def load_to_score(flags: Any, *, network: bool) -> FileDetector | Ensemble:
    """As ``load_detector``, with the engine that --engine names.

    Without ``network`` it may be a detector without Flax's network, for files only: then nothing
    imports JAX, which takes most of the time that one picture needs.
    """
    resize = resize_of(flags.resize)
    if flags.precision != "float32":
        return _in_eight_bits(flags, resize)
    if not network and (packed := _packed(flags, resize)):
        return packed
    from npr_jax.cli import host

    host.use_cores_as_devices()
    detector = load_detector(
        flags.workdir, flags.weights, checkpoint=flags.checkpoint, resize=resize
    )
    return detector.with_engine(flags.engine)


def _packed(flags: Any, resize: int | None) -> FileDetector | None:
    """The detector by ONNX Runtime alone, where that is what the flags mean, and there is one."""
    if flags.workdir or flags.checkpoint != "best" or flags.engine == "flax":
        return None
    if flags.engine == "auto" and may_have_accelerator():
        return None
    from npr_jax.inference.packed_detector import NetworkFileError

    try:
        return _open_packed(flags, resize)
    except NetworkFileError as error:
        _LOG.warning("%s; it is made anew from the weights, which takes seconds", error)
        return None


def _open_packed(flags: Any, resize: int | None) -> PackedDetector | None:
    """The network file for --precision beside the card that --weights means; None without one."""
    from npr_jax.detectors.card import find_card, own_card
    from npr_jax.inference.packed_detector import PackedDetector

    card = find_card(flags.weights) if flags.weights else own_card()
    if card is None:
        return None
    return PackedDetector.open(card, resize=resize, precision=flags.precision)


def _in_eight_bits(flags: Any, resize: int | None) -> FileDetector:
    """The detector whose network computes in 8 bits; ``UserError`` where there is none."""
    from npr_jax.inference.engines import REMEDY, has_onnxruntime

    asked = f"--precision={flags.precision}"
    for name in ("workdir", "checkpoint", "maps", "evidence"):
        if flags[name].value != flags[name].default:
            raise UserError(f"{asked} and --{name} do not go together; leave one of them out")
    if flags.engine == "flax":
        raise UserError(f"{asked} is of ONNX Runtime; leave --engine=flax out")
    if not has_onnxruntime():
        raise UserError(f"{asked} needs ONNX Runtime, {REMEDY}")
    packed = _open_packed(flags, resize)
    if packed is None:
        raise UserError(
            f"{asked}: {flags.weights or 'the bundled detector'} brings no file for it; make one "
            "by `export --format=detector --eight_bits=FOLDER_OF_PICTURES`, or leave it out"
        )
    return packed


def load_one_detector(command: str, flags: Any) -> Detector:
    """As ``load_detector``, for a command that has no use for several; it may lack --resize."""
    if len(workdirs_of(flags.workdir)) > 1:
        raise UserError(
            f"{command} --workdir={flags.workdir}: {command} takes one detector, not an ensemble; "
            "give one run"
        )
    resize = resize_of(flags.resize) if "resize" in flags else None
    detector = load_detector(
        flags.workdir, flags.weights, checkpoint=flags.checkpoint, resize=resize
    )
    [one] = detector.members
    return one


def workdirs_of(text: str, flag: str = "--workdir") -> list[str]:
    """The runs that ``--workdir=A,B``, or another flag, names, each once; see ``split_paths``."""
    names = split_paths(text, flag)
    if len({pathlib.Path(name).resolve() for name in names}) < len(names):
        raise UserError(f"{flag}={text} names a run twice; give each of them once")
    return names


def resize_of(text: str) -> int | None:
    """The side that ``--resize`` asks for: 0 for native, None where it is empty."""
    if not text:
        return None
    if text == "native":
        return 0
    if not text.isdecimal():
        raise UserError(
            f"--resize={text}; expected native or a number of pixels, as 256, or "
            "for evaluate protocol"
        )
    from input_pipeline.images.transforms import MAX_PIXELS  # slow to import, not for --help

    most = math.isqrt(MAX_PIXELS)
    if len(text) > len(str(most)) or int(text) > most:
        raise UserError(
            f"--resize={text}; expected at most {most}: a picture of that side has "
            f"{MAX_PIXELS / 1e6:g} megapixels"
        )
    return int(text)
