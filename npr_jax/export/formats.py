"""The ``export`` command: which formats there are, and what is written and said."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import pathlib
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from input_pipeline.errors import UserError
from input_pipeline.images.image_listing import ImageListing
from input_pipeline.images.problems import ImageProblem
from input_pipeline.storage.atomic_files import write_together
from npr_jax.detectors.card import NETWORKS, Card, is_recalibrated, pack
from npr_jax.export.description import describe, read_description, steps_before
from npr_jax.inference.detector import Detector

PICTURES = 128  # from which the ranges of 8 bits are taken, at most


class Extras(NamedTuple):
    """What single formats need besides a detector."""

    web_packages: str = ""  # of web: the folder of npm's packages; empty: npm fetches them
    # of detector: a JSON file with the detector's ``name`` and ``version`` and what else its card
    # is to say
    facts: str = ""
    # of detector: a folder of pictures, from which the ranges of 8 bits are taken; empty: none
    eight_bits: str = ""


def check_output(form: str, output: str) -> pathlib.Path:
    """The file or folder to write, made absolute; to be asked before a detector is loaded.

    Raises:
        ValueError: for a format that is none of ``FORMATS``, or an output that cannot be written.
    """
    if form not in FORMATS:
        raise UserError(f"--format={form}; expected one of {', '.join(FORMATS)}")
    output = output or DEFAULT_OUTPUTS.get(form, "")
    if not output:
        raise UserError(f"export --format={form} needs --output=FILE_OR_FOLDER, as detector.onnx")
    target = pathlib.Path(output).absolute()
    if not target.parent.is_dir():
        raise UserError(f"--output={output}: its folder does not exist")
    if target.is_dir() and form not in FOLDERS:
        raise UserError(f"--output={output} is a directory; --format={form} writes a file")
    if target.is_file() and form in FOLDERS:
        raise UserError(f"--output={output} is a file; --format={form} writes a folder")
    if target.is_file() and target.stat().st_size and target.suffix.lower() != f".{form}":
        raise UserError(
            f"--output={output} exists and does not end in .{form}; give another name, or remove it"
        )
    if form == "stablehlo" and not read_description(_described(target), "format_version", "sha256"):
        _check_free(output, _described(target))
    return target


def _described(target: pathlib.Path) -> pathlib.Path:
    """What describes a StableHLO file, beside it."""
    return target.with_name(f"{target.name}.json")


def _check_free(output: str, *paths: pathlib.Path) -> None:
    """Raises ``ValueError`` where something is there: names that the user has not given."""
    for path in paths:
        if path.exists() and path.stat().st_size:
            raise UserError(
                f"--output={output}: {path.name}, which would be written too, is there and not "
                "by export; give another name, or move that file"
            )


def export_detector(
    detector: Detector, form: str, output: str, extras: Extras | None = None
) -> list[str]:
    """Writes the detector, with its calibration, in one of ``FORMATS``, whole or not at all.

    Args:
        output: the file, or the folder of a format that is one; empty: ``DEFAULT_OUTPUTS``.
        extras: see there; None: none.

    Returns:
        Lines for the user: what was written, and what has to happen to a file before.

    Raises:
        ValueError: see ``check_output``; and for a detector that the format cannot hold.
    """
    target = check_output(form, output)
    lines = [f"{form}: {detector.source}; scores: {detector.calibration_in_words}"]
    lines += FORMATS[form](detector, target, extras or Extras())
    # A detector's card says it to the program that reads it.
    steps = [] if form == "detector" else steps_before(detector)
    return lines + [f"before: {step}" for step in steps]


def _onnx(detector: Detector, target: pathlib.Path, _: Extras) -> list[str]:
    with _at_hand("onnx", "ONNX files", "pip install 'npr-jax[export]'"):
        from npr_jax.export.onnx_file import onnx_bytes
    content = onnx_bytes(detector)
    write_together(target.parent, {target.name: content})
    return [f"written to {target}, {len(content):,} bytes"]


def _web(detector: Detector, target: pathlib.Path, extras: Extras) -> list[str]:
    with _at_hand("onnx", "ONNX files", "pip install 'npr-jax[export]'"):
        from npr_jax.export.web.folder import write_page
    sizes = write_page(detector, target, extras.web_packages)
    own = sizes["model"] + sizes["page"]
    return [
        f"written to {target}: model and page {own:,} bytes, what they run on "
        f"{sizes['vendor']:,} bytes",
        f"try it: python -m http.server --bind=127.0.0.1 --directory={target}",
    ]


@contextlib.contextmanager
def _at_hand(package: str, what: str, remedy: str) -> Iterator[None]:
    """Says what to install where a package is missing that the code inside imports."""
    try:
        yield
    except ImportError as error:
        if (error.name or "").split(".")[0] != package:
            raise
        raise UserError(
            f"{what} need the package {package}, which is not installed; run {remedy}"
        ) from error


def _stablehlo(detector: Detector, target: pathlib.Path, _: Extras) -> list[str]:
    from npr_jax.export.stablehlo_file import stablehlo_bytes

    # JAX imports it when it writes or reads a program, and does not install it.
    with _at_hand("flatbuffers", "StableHLO files", "pip install flatbuffers"):
        content = stablehlo_bytes(detector)
    digest = hashlib.sha256(content).hexdigest()
    facts = json.dumps({"sha256": digest} | describe(detector), indent=2) + "\n"
    described = _described(target)
    write_together(target.parent, {described.name: facts, target.name: content})
    return [f"written to {target}, {len(content):,} bytes", f"described in {described}"]


def _detector(detector: Detector, target: pathlib.Path, extras: Extras) -> list[str]:
    card = _card(detector, extras.facts)
    described = target / f"{card.name}.json"
    if extras.facts and described.resolve() == pathlib.Path(extras.facts).resolve():
        raise UserError(
            f"--card={extras.facts}: the detector's card would take its place; give another "
            "--output, or name that file otherwise"
        )
    if is_recalibrated(described):
        raise UserError(
            f"--output={target} holds a detector that `calibrate` wrote; give another folder"
        )
    files = pack(card, detector.model)
    if not read_description(described, "format", "weights"):
        names = [*files, *[card.name + NETWORKS["int8"]] * bool(extras.eight_bits)]
        _check_free(str(target), *(target / name for name in names))
    ranges: list[str] = []
    if extras.eight_bits:
        files, ranges = _with_eight_bits(card, files, detector, extras.eight_bits)
    *others, _ = write_together(target, files)
    lines = [f"written to {path}, {len(files[path.name]):,} bytes" for path in others] + ranges
    if len(others) == 1:
        lines.append(
            "without a file for ONNX Runtime: this network is none that it can run, or the package "
            "onnx is missing (pip install 'npr-jax[export]')"
        )
    return [
        *lines,
        f"described in {described}",
        f"try it: predict --weights={described} my_pictures/",
    ]


def _with_eight_bits(
    card: Card, files: dict[str, bytes], detector: Detector, folder: str
) -> tuple[dict[str, bytes], list[str]]:
    """The files of a detector with the one whose network computes in 8 bits, the card last, and
    what to say of the pictures that its ranges are from."""
    with _at_hand("onnx", "ONNX files", "pip install 'npr-jax[export]'"):
        from npr_jax.export.eight_bits import in_eight_bits
    name, target = (card.name + NETWORKS[precision] for precision in ("float32", "int8"))
    if name not in files:
        raise UserError(f"--eight_bits={folder}: ONNX Runtime cannot run {detector.source}")
    with ImageListing([folder]) as listing:
        paths = [file.path for file in listing.files()]
    # Evenly over their order.
    chosen = [paths[n] for n in np.unique(np.linspace(0, len(paths) - 1, PICTURES).astype(int))]
    unread: list[str] = []
    made = in_eight_bits(files[name], _readable(detector, folder, chosen, unread))
    described = f"{card.name}.json"
    others = {k: v for k, v in files.items() if k != described}
    said = f"8 bits: ranges from {len(chosen) - len(unread)} of {len(paths)} files"
    if unread:
        said += f"; {len(unread)} more cannot be scored, {unread[0]} the first of them"
    return others | {target: made, described: files[described]}, [said]


def _readable(
    detector: Detector, folder: str, paths: Sequence[str], unread: list[str]
) -> Iterator[np.ndarray]:
    """The pictures as the network sees them; those that cannot be scored are noted."""
    for path in paths:
        try:
            yield detector.read(path)
        except ImageProblem:
            unread.append(path)
    if len(unread) == len(paths):
        raise UserError(f"--eight_bits={folder}: none of these pictures can be scored")


def _card(detector: Detector, facts_file: str) -> Card:
    """Its own, of a detector that has one; else that of a run."""
    if detector.card is not None:
        if facts_file:
            raise UserError(f"--card={facts_file}: {detector.source} has a card; leave it out")
        return dataclasses.replace(
            detector.card,
            preprocessing=detector.preprocessing,
            calibration=detector.calibration,
        )
    if detector.config is None or detector.step is None:
        raise UserError(
            f"--format=detector writes what a run has trained, and {detector.source} is no run; "
            "give --workdir=RUN"
        )
    facts = _facts(facts_file)
    return Card(
        name=facts.pop("name"),
        version=facts.pop("version"),
        model=detector.config.model,
        preprocessing=detector.preprocessing,
        calibration=detector.calibration,
        step=detector.step,
        trained_on=detector.training_data,
        facts=facts,
    )


def _facts(path: str) -> dict[str, Any]:
    """What a user's file says for the card."""
    if not path:
        raise UserError(
            '--format=detector needs --card=FILE.json, which says at least {"name": "mine", '
            '"version": "1.0"}, and what else its readers should know'
        )
    try:
        facts = json.loads(pathlib.Path(path).read_text(encoding="utf-8"))
        json.dumps(facts, ensure_ascii=False, allow_nan=False).encode()
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"--card={path} cannot be read as JSON: {error}") from error
    known = facts if isinstance(facts, dict) else {}
    for key in ("name", "version"):
        if not isinstance(known.get(key), str) or not known[key]:
            raise UserError(f"--card={path} gives no {key}; expected an object with a text {key!r}")
    return known


FOLDERS = ("detector", "web")  # formats whose output is a folder
DEFAULT_OUTPUTS = {"web": "site"}  # for formats that write into no folder of other files
# Each writes a detector to a file or folder and says what it wrote.
FORMATS = {"onnx": _onnx, "stablehlo": _stablehlo, "web": _web, "detector": _detector}
