"""Writes the folder of the page."""

from __future__ import annotations

import gzip
import hashlib
import json
import pathlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from input_pipeline.errors import UserError
from input_pipeline.storage.atomic_files import replaced_directory
from npr_jax.export.description import describe, read_description
from npr_jax.export.onnx_file import onnx_bytes
from npr_jax.export.web.packages import PACKAGES, Package, read_package
from npr_jax.inference.detector import Detector
from npr_jax.inference.verdict import CONFIDENCE
from npr_jax.models.systems.registry import SYSTEMS
from npr_jax.residuals.front_end import FrontEnd

PAGE = pathlib.Path(__file__).parent / "page"
VENDOR = "vendor"
# Sent compressed by every server, which few do by themselves: 3.7 MB in place of 14.
COMPRESSED = "ort-wasm-simd-threaded.wasm"
_NETWORK = "model.onnx"
_MARK = "model.json"  # by which a folder that may be replaced is known
# What one tab may be asked for. An image goes through the network whole: the paper's takes 260
# bytes a pixel, a tab has at most 4 GB for it, and phones' cameras make 12.2 million pixels.
MAX_SCORED_PIXELS = 12_500_000
MAX_PIXELS = 64_000_000
MAX_BYTES = 100_000_000

MIT = """\
Permission is hereby granted, free of charge, to any person obtaining a copy of this software and
associated documentation files (the "Software"), to deal in the Software without restriction,
including without limitation the rights to use, copy, modify, merge, publish, distribute,
sublicense, and/or sell copies of the Software, and to permit persons to whom the Software is
furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all copies or
substantial portions of the Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT
NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND
NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM,
DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM, OUT
OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE.
"""


def write_page(detector: Detector, target: pathlib.Path, packages: str = "") -> dict[str, int]:
    """Writes the page of a detector with its calibration to a folder, which may have one already.

    An earlier page is replaced as a whole, so a folder that holds anything beside it is refused.

    `packages` is the folder of npm's packages, see ``packages.read_package``.

    Returns:
        Bytes of what was written: ``model``, ``page`` and ``vendor``.

    Raises:
        ValueError: for a detector that cannot be scored in a browser, a target that holds other
            files, or packages that are not there.
    """
    _check_suited(detector)
    own = {path.name: path.read_bytes() for path in sorted(PAGE.iterdir()) if path.is_file()}
    foreign: dict[str, bytes] = {}
    for package in PACKAGES:
        foreign.update(_vendored(package, read_package(package, packages)))
    names = sorted([_NETWORK, _MARK, *own, *(f"{VENDOR}/{name}" for name in foreign)])
    _check_target(target, names)
    model = onnx_bytes(detector, logits=True)
    own[_MARK] = json.dumps(_description(detector, model, names), indent=2).encode()
    with replaced_directory(target) as folder:
        (folder / _NETWORK).write_bytes(model)
        _write(folder, own)
        _write(folder / VENDOR, foreign)
    return {
        "model": len(model),
        "page": sum(map(len, own.values())),
        "vendor": sum(map(len, foreign.values())),
    }


def _check_target(target: pathlib.Path, names: Sequence[str]) -> None:
    """Raises ``ValueError`` where more than an earlier page, or one with these names, is there."""
    said = read_description(target / _MARK, "format_version", "model_sha256")
    known = {VENDOR, *names, *said.get("files", ())} if said else set()
    there = [*target.glob("*"), *target.glob(f"{VENDOR}/*")]
    if found := sorted({path.relative_to(target).as_posix() for path in there} - known):
        more = f" and {len(found) - 3} more" if len(found) > 3 else ""
        raise UserError(
            f"--output={target} holds other files; give a folder that does not exist yet, or one "
            f"with nothing but what --format=web has written (found {', '.join(found[:3])}{more})"
        )


def _vendored(package: Package, content: Mapping[str, bytes]) -> Iterator[tuple[str, bytes]]:
    """Names beside the page and contents, the licence among them."""
    for path, name in package.code.items():
        if name == COMPRESSED:
            yield f"{name}.gz", gzip.compress(content[path], 9, mtime=0)
        else:
            yield name, content[path]
    texts = [content[path].decode("utf-8") for path in package.licences] or [MIT]
    head = f"{package.name} {package.version}\n{package.notice}\n"
    licence = "\n\n".join([head, *texts])
    yield f"LICENSE-{package.file_name.removesuffix('.tgz')}.txt", licence.encode()


def _write(folder: pathlib.Path, contents: Mapping[str, bytes]) -> None:
    folder.mkdir(exist_ok=True)
    for name, content in contents.items():
        (folder / name).write_bytes(content)


def _check_suited(detector: Detector) -> None:
    """Raises ``ValueError`` for a detector whose preprocessing a browser cannot repeat."""
    way = detector.preprocessing
    if way.jpeg_quality:
        raise UserError(
            f"this detector re-encodes files as JPEG {way.jpeg_quality} before it scores "
            "them (data.reencode), which a browser does not do to the same pixels; --format=web "
            "takes detectors trained without"
        )
    if way.resize_mode != "squash":
        raise UserError(
            f"the page does not prepare images so: {way.in_words()}; --format=web takes detectors "
            "that score images at native size or squashed to a square"
        )
    if way.read_file or SYSTEMS[detector.system].file_view:
        raise UserError(
            f"{detector.system} looks at more of a file than its pixels, which the page does not; "
            "--format=web takes npr and multiscale"
        )


def _description(detector: Detector, model: bytes, names: Sequence[str]) -> dict[str, Any]:
    """The content of model.json, JSON values by name; ``names`` of the page's files, all of them.

    By these, a later export, whose files may have other names, knows them from those of others.
    """
    return describe(detector) | {
        "model_sha256": hashlib.sha256(model).hexdigest(),
        "steps": {
            "resize": detector.preprocessing.resize,
            "crop": detector.preprocessing.crop,
            "small_images": detector.preprocessing.small_images,
            "multiple_of": detector.preprocessing.multiple_of,
        },
        "limits": {
            "min_side": detector.preprocessing.min_side,
            "max_scored_pixels": MAX_SCORED_PIXELS,
            "max_pixels": MAX_PIXELS,
            "max_bytes": MAX_BYTES,
        },
        "residuals": [view_of(front_end) for front_end in detector.model.front_ends],
        "confidence": CONFIDENCE,
        "packages": [{"name": p.name, "version": p.version, "notice": p.notice} for p in PACKAGES],
        "files": [*names],
    }


def view_of(front_end: FrontEnd) -> dict[str, Any]:
    """A view; ``drawn`` where the page has a picture of it, by the first block's references."""
    drawn = front_end.mode == "nearest" and front_end.color == "rgb"
    rows, columns = (
        front_end.operator(front_end.period, axis).tolist() if drawn else [] for axis in range(2)
    )
    return {"name": front_end.name, "drawn": drawn, "rows": rows, "columns": columns}
