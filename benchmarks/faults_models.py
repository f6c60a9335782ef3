"""Files of detectors and settings, whole, and what reads each of them."""

from __future__ import annotations

import contextlib
import functools
import io
import json
import pathlib
import random
from typing import Any

import numpy as np

from benchmarks.mutations import Kind, Read, mutate, mutate_json
from npr_jax.detectors.card import OWN_FOLDER


def kinds() -> dict[str, Kind]:
    """All of them, by name."""
    found = {
        ".safetensors": Kind([_safetensors()], _state_dict(".safetensors")),
        "noise predictor": Kind([_noise_predictor()], _read_noise_predictor, _damage_metadata),
        "card": Kind([(OWN_FOLDER / "npr-wild.json").read_bytes()], _read_card, mutate_json),
        "calibration.json": Kind([_calibration()], _read_calibration, mutate_json),
        "config.json": Kind(_configs(), _read_config, mutate_json),
        "--config.KEY=VALUE": Kind(_overrides(), _read_override, _damage_override),
    }
    with contextlib.suppress(ImportError):
        found[".pth"] = Kind(_pths(), _state_dict(".pth"))
    return found


def _safetensors() -> bytes:
    import safetensors.numpy

    rng = np.random.default_rng(0)
    arrays = {"conv.weight": rng.random((4, 3, 2, 2), np.float32), "bias": np.zeros(4, np.float32)}
    return safetensors.numpy.save(arrays, metadata={"a": "b"})


def _noise_predictor() -> bytes:
    import safetensors.numpy

    from npr_jax.models.pretrained.noise_predictor_file import _KEY

    unet = {"channels": 32, "multipliers": [1], "blocks": 1}
    about = {"unet": unet, "schedule": "linear", "steps": 10, "image_size": 32}
    arrays = {"out.weight": np.zeros((1, 1), np.float32)}
    return safetensors.numpy.save(arrays, metadata={_KEY: json.dumps(about)})


def _state_dict(suffix: str) -> Read:
    def read(data: bytes, folder: pathlib.Path) -> None:
        from npr_jax.models.pretrained.state_dict import load_state_dict

        path = folder / f"weights{suffix}"
        path.write_bytes(data)
        load_state_dict(path)

    return read


def _read_noise_predictor(data: bytes, folder: pathlib.Path) -> None:
    from npr_jax.models.pretrained.noise_predictor_file import load_noise_predictor

    (folder / "noise.safetensors").write_bytes(data)
    load_noise_predictor(folder / "noise.safetensors")


def _damage_metadata(rng: random.Random, data: bytes, other: bytes) -> bytes:
    """Damages the file, or what its metadata say of the network."""
    import safetensors.numpy

    from npr_jax.models.pretrained.noise_predictor_file import _KEY

    if rng.random() < 0.3:
        return mutate(rng, data, other)
    size = int.from_bytes(data[:8], "little")
    about = json.loads(data[8 : 8 + size])["__metadata__"][_KEY].encode()
    changed = mutate_json(rng, about, about).decode("utf-8", "replace")
    return safetensors.numpy.save(safetensors.numpy.load(data), metadata={_KEY: changed})


def _pths() -> list[bytes]:
    import torch

    arrays = {"conv.weight": torch.rand(4, 3, 2, 2), "bias": torch.zeros(4)}
    found = []
    for zipped in (True, False):
        buffer = io.BytesIO()
        torch.save({"model": arrays}, buffer, _use_new_zipfile_serialization=zipped)
        found.append(buffer.getvalue())
    return found


def _read_card(data: bytes, folder: pathlib.Path) -> None:
    from npr_jax.detectors.card import load_card, outline_of

    (folder / "npr-wild.json").write_bytes(data)
    (folder / "npr-wild.safetensors").symlink_to(OWN_FOLDER / "npr-wild.safetensors")
    outline_of(folder / "npr-wild.json")
    load_card(folder / "npr-wild.json")


@functools.cache
def _own_model() -> tuple[Any, str]:
    from npr_jax.detectors.calibration_file import fingerprint
    from npr_jax.detectors.card import load_card, own_card

    model = load_card(own_card())[1]
    return model, fingerprint(model)


def _calibration() -> bytes:
    from input_pipeline.images.preprocessing import NATIVE
    from npr_jax.detectors.calibration import Calibration, to_json

    digest = "?"  # the reader puts the right one there, which would cost a start of JAX here
    content = to_json(Calibration(1.5, 0.1, 0.05, 2.0, -2.0))
    content |= {"checkpoint": {"step": 7, "hash": digest}, "preprocessing": NATIVE.values()}
    return json.dumps(content).encode()


def _read_calibration(data: bytes, folder: pathlib.Path) -> None:
    from input_pipeline.images.preprocessing import NATIVE
    from npr_jax.detectors import calibration_file

    model, digest = _own_model()
    path = calibration_file.file_of(folder, 7)
    path.parent.mkdir()
    path.write_bytes(data.replace(b'"?"', json.dumps(digest).encode()))
    found, _ = calibration_file.load(folder, 7, model, used=NATIVE, own=NATIVE, asked=NATIVE)
    if found is not None:  # what it is for
        found.in_words(), found.verdict(0.5), found.probabilities(0.5)


def _configs() -> list[bytes]:
    from configs import default, multiscale_attention

    found = (recipe.get_config() for recipe in (default, multiscale_attention))
    return [json.dumps(config.to_dict()).encode() for config in found]


def _read_config(data: bytes, folder: pathlib.Path) -> None:
    from npr_jax.detectors.run_config import load_config
    from npr_jax.detectors.trained import preprocessing_of

    (folder / "config.json").write_bytes(data)
    preprocessing_of(load_config(folder))


def _overrides() -> list[bytes]:
    from configs import default
    from npr_jax.config import flatten

    settings = flatten(default.get_config().to_dict())
    return [f"--config.{key}={value}".encode() for key, value in settings.items()]


def _damage_override(rng: random.Random, data: bytes, other: bytes) -> bytes:
    """A setting with another one's value, or damaged where it still is an argument."""
    name, value = data.partition(b"=")[0], other.partition(b"=")[2]
    odd = rng.choice((b"", b"None", b"()", b"(1,)", b"-1", b"nan", b"1e400", b"[", b"'", b"x" * 50))
    draw = rng.random()
    if draw < 0.3:
        return name + b"=" + (value if rng.random() < 0.5 else odd)
    damaged = mutate(rng, data, other).replace(b"\0", b"0")
    return damaged if damaged.startswith(b"--config.") else name + b"=" + damaged


def _read_override(data: bytes, folder: pathlib.Path) -> None:
    import jax

    from input_pipeline.errors import UserError
    from npr_jax.cli.main import COMMANDS
    from npr_jax.config import check_config

    argument = data.decode("utf-8", "surrogateescape")
    jax.devices()
    flags, _ = COMMANDS["train"].parse(
        ["--config=configs/default.py", f"--workdir={folder}", argument], COMMANDS.values()
    )
    if flags.config is None:
        raise UserError("no recipe")
    check_config(flags.config)
