"""A calibration on disk, beside the checkpoint it was fitted for, and whether it still fits.

``<workdir>/calibration/<step>.json`` names the checkpoint's step, a hash of its parameters and the
values of the preprocessing it was fitted with; version 1 wrote the preprocessing in words.
"""

import hashlib
import pathlib
import re
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np
from flax import nnx

from input_pipeline.errors import UserError
from input_pipeline.images.preprocessing import Preprocessing
from input_pipeline.storage.whole_content import read_object, whole_content
from npr_jax.detectors.calibration import Calibration, from_json

FOLDER = "calibration"
_REMEDY = "run `python main.py calibrate` again, or delete it to score without"
# What version 1 said of a preprocessing, in all its forms.
_VERSION_1 = re.compile(
    r"(?:re-encoded as JPEG (\d+), )?(?:native size|squashed to (\d+)x\2 pixels)"
    r"(?:, centre crop of (\d+) pixels \(smaller images (padded by reflection|tiled)\))?"
)


def file_of(workdir: pathlib.Path, step: int) -> pathlib.Path:
    """Where the calibration of a run's checkpoint is kept."""
    return workdir / FOLDER / f"{step}.json"


def fingerprint(model: nnx.Module) -> str:
    """Changes with any trained number of a model: its parameters and running statistics."""
    digest = hashlib.sha256()
    trained = nnx.state(model, nnx.Any(nnx.Param, nnx.BatchStat))
    for path, value in jax.tree_util.tree_leaves_with_path(nnx.to_pure_dict(trained)):
        array = np.asarray(value)
        digest.update(f"{jax.tree_util.keystr(path)} {array.dtype} {array.shape}".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def load(
    workdir: pathlib.Path,
    step: int,
    model: nnx.Module,
    *,
    used: Preprocessing,
    own: Preprocessing,
    asked: Preprocessing,
) -> tuple[Calibration | None, str]:
    """The calibration of a checkpoint, and one line on why one that is there is not used.

    ``used`` is what files go through, ``own`` what they go through unless the user asks for
    something else, ``asked`` what the run's config says of that, before the network's own needs.
    ``UserError`` where the file is damaged, or belongs to other weights or another
    preprocessing although the user asked for nothing else: scores would be others than yesterday's.
    """
    path = file_of(workdir, step)
    if not path.is_file():
        others = sorted(int(p.stem) for p in path.parent.glob("*.json") if p.stem.isdecimal())
        if not others:
            return None, ""
        steps = ", ".join(map(str, others))
        return None, f"the calibration of step {steps} is not of this checkpoint (step {step})"
    content = read_object(path, _REMEDY)
    with whole_content(path, _REMEDY):
        saved, made_with = content["checkpoint"], _preprocessing(content["preprocessing"], asked)
        calibration = from_json(content)
        fits = (saved["step"], saved["hash"]) == (step, fingerprint(model))
    if not fits:
        raise UserError(f"{path} was made for other weights than those of step {step}; {_REMEDY}")
    if made_with == used:
        return calibration, ""
    problem = f"{path} was made with images prepared otherwise ({made_with.in_words()})"
    if used == own:
        raise UserError(f"{problem} than this run prepares them ({own.in_words()}); {_REMEDY}")
    return None, problem


def _preprocessing(saved: Mapping[str, Any] | str, asked: Preprocessing) -> Preprocessing:
    """What a calibration was fitted with; ``ValueError`` or ``TypeError`` where that is unknown.

    Until ``multiple_of`` there was, at most, ``even``: no image was cut for the network's sake, so
    that such a calibration fits only where there is nothing to cut.
    """
    if not isinstance(saved, str):
        values = dict(saved)
        if "even" in values:
            values["multiple_of"] = 2 if values.pop("even") else 1
        return Preprocessing(**values)
    found = _VERSION_1.fullmatch(saved)
    if found is None:
        raise ValueError(f"preprocessing {saved!r} is not known")
    quality, side, crop, small = found.groups()
    return Preprocessing(
        jpeg_quality=int(quality or 0),
        resize=int(side or 0),
        crop=int(crop or 0),
        # The words were silent about these.
        small_images={"tiled": "tile", "padded by reflection": "reflect"}.get(
            small, asked.small_images
        ),
        multiple_of=asked.multiple_of,
    )
