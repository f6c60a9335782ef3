"""The ``export`` command: which formats there are, and what is written and said."""

from __future__ import annotations

import contextlib
import hashlib
import json
import pathlib
from collections.abc import Iterator

from input_pipeline.errors import UserError
from input_pipeline.storage.atomic_files import write_together
from npr_jax.export.description import describe, steps_before
from npr_jax.inference.detector import Detector


def check_output(form: str, output: str) -> pathlib.Path:
    """The file or folder to write, made absolute; to be asked before a detector is loaded.

    Raises:
        ValueError: for a format that is none of ``FORMATS``, or an output that cannot be written.
    """
    if form not in FORMATS:
        raise UserError(f"--format={form}; expected one of {', '.join(FORMATS)}")
    if not output:
        raise UserError("export needs --output=FILE, as detector.onnx")
    target = pathlib.Path(output).absolute()
    if not target.parent.is_dir():
        raise UserError(f"--output={output}: its folder does not exist")
    if target.is_dir() and form not in FOLDERS:
        raise UserError(f"--output={output} is a directory; --format={form} writes a file")
    return target


def export_detector(
    detector: Detector, form: str, output: str, *, web_packages: str = ""
) -> list[str]:
    """Writes the detector, with its calibration, in one of ``FORMATS``, whole or not at all.

    Args:
        output: the file, or the folder of a format that is one.
        web_packages: of web: the folder of npm's packages; empty: npm fetches them.

    Returns:
        Lines for the user: what was written, and what has to happen to a file before.

    Raises:
        ValueError: see ``check_output``; and for a detector that the format cannot hold.
    """
    target = check_output(form, output)
    lines = [f"{form}: {detector.source}; scores: {detector.calibration_in_words}"]
    lines += FORMATS[form](detector, target, web_packages)
    return lines + [f"before: {step}" for step in steps_before(detector)]


def _onnx(detector: Detector, target: pathlib.Path, _: str) -> list[str]:
    with _at_hand("onnx", "ONNX files", "pip install 'npr-jax[export]'"):
        from npr_jax.export.onnx_file import onnx_bytes
    content = onnx_bytes(detector)
    write_together(target.parent, {target.name: content})
    return [f"written to {target}, {len(content):,} bytes"]


def _web(detector: Detector, target: pathlib.Path, packages: str) -> list[str]:
    with _at_hand("onnx", "ONNX files", "pip install 'npr-jax[export]'"):
        from npr_jax.export.web.folder import write_page
    sizes = write_page(detector, target, packages)
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


def _stablehlo(detector: Detector, target: pathlib.Path, _: str) -> list[str]:
    from npr_jax.export.stablehlo_file import stablehlo_bytes

    # JAX imports it when it writes or reads a program, and does not install it.
    with _at_hand("flatbuffers", "StableHLO files", "pip install flatbuffers"):
        content = stablehlo_bytes(detector)
    digest = hashlib.sha256(content).hexdigest()
    facts = json.dumps({"sha256": digest} | describe(detector), indent=2) + "\n"
    described = target.with_name(f"{target.name}.json")
    write_together(target.parent, {described.name: facts, target.name: content})
    return [f"written to {target}, {len(content):,} bytes", f"described in {described}"]


FOLDERS = ("web",)  # formats whose output is a folder
# Each writes a detector to a file or folder and says what it wrote.
FORMATS = {"onnx": _onnx, "stablehlo": _stablehlo, "web": _web}
