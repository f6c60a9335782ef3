"""Tiny data sets, tiny runs on them, and the command line as a user calls it."""

import dataclasses
import json
import os
import pathlib
import subprocess
import sys

import jax
import ml_collections
import numpy as np
import orbax.checkpoint as ocp

from configs import default
from input_pipeline.storage.dataset_writer import write_dataset
from input_pipeline.storage.records import ImageRecord

ROOT = pathlib.Path(__file__).resolve().parent.parent
# Images per split. None is a multiple of the batch size: every epoch ends in a padded batch and
# every evaluation in a padded row.
SPLITS = {"train": 21, "validation": 10, "test": 23, "dev": 5}
BATCH_SIZE = 8
SIDE = 64
# What makes a recipe tiny; the network is the smallest there is.
SHRUNK = {
    "data.validation_split": "validation",
    "data.resize": 0,
    "data.host_crop": 48,
    "data.crop": 40,
    "data.validation_crop": 48,
    "data.evaluate_resize": 0,
    "model.backbone": "light_resnet",
    "batch_size": BATCH_SIZE,
    "num_epochs": 2,
    "log_every_steps": 2,
}
# In a process without TensorFlow, which TensorBoard would import.
READ_EVENTS = """
import json, sys
sys.modules["tensorflow"] = None
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.util.tensor_util import make_ndarray
events = EventAccumulator(sys.argv[1], size_guidance={"tensors": 0}, purge_orphaned_data=False)
events.Reload()
tags = events.Tags()["tensors"]
plugins = {tag: events.SummaryMetadata(tag).plugin_data.plugin_name for tag in tags}
points = {
    tag: [
        [e.step, make_ndarray(e.tensor_proto).item(), e.tensor_proto.dtype]
        for e in events.Tensors(tag)
    ]
    for tag in tags
}
print(json.dumps([plugins, points]))
"""


@dataclasses.dataclass(frozen=True)
class FinishedRun:
    """A run that has ended, and what it said."""

    workdir: pathlib.Path
    stdout: str
    stderr: str


def picture(seed: int, generated: bool, side: int = SIDE) -> np.ndarray:
    """uint8 ``[side, side, 3]``: noise, up-sampled by two in the generated ones."""
    pixels = np.random.default_rng(seed).integers(0, 256, (side, side, 3), np.uint8)
    return pixels[::2, ::2].repeat(2, 0).repeat(2, 1) if generated else pixels


def records(split: str, count: int, storage: str = "decoded"):
    """Photographs and generated images in turn; three generators, one has photographs."""
    for index in range(count):
        label = index % 2
        generator = ("alpha", "beta", "gamma")[index % 3] if label else "alpha"
        pixels = picture(1000 * sorted(SPLITS).index(split) + index, bool(label))
        yield ImageRecord(
            pixels.tobytes(), storage, SIDE, SIDE, label, generator, f"{split}/{index:03d}.png"
        )


def write_tiny_dataset(path: pathlib.Path) -> pathlib.Path:
    """Writes the splits of ``SPLITS`` as a prepared data set."""
    splits = {name: records(name, count) for name, count in SPLITS.items()}
    write_dataset(path, "tiny", splits, {"made_by": "tests"})
    return path


def tiny_config(data: pathlib.Path, **changes) -> ml_collections.ConfigDict:
    """The default recipe, shrunk; ``changes`` use ``__`` for the dots of a setting's name."""
    config = default.get_config()
    settings = SHRUNK | {"data.path": str(data)}
    settings |= {key.replace("__", "."): value for key, value in changes.items()}
    config.update_from_flattened_dict(settings)
    return config


def train_arguments(data: pathlib.Path, workdir: pathlib.Path, **changes) -> list[str]:
    """Arguments of ``main.py`` that train as ``tiny_config`` says."""
    settings = SHRUNK | {"data.path": str(data)}
    settings |= {key.replace("__", "."): value for key, value in changes.items()}
    overrides = [f"--config.{key}={value}" for key, value in settings.items()]
    return ["train", "--config=configs/default.py", f"--workdir={workdir}", *overrides]


def main(*arguments, status: int = 0, environment=None, **options) -> subprocess.CompletedProcess:
    """Runs ``python main.py`` to its end and checks its exit status."""
    return python("main.py", *arguments, status=status, environment=environment, **options)


def python(*arguments, status: int = 0, environment=None, **options) -> subprocess.CompletedProcess:
    """Runs Python in the repository's root and checks the exit status."""
    finished = subprocess.run(
        [sys.executable, *map(str, arguments)],
        cwd=ROOT,
        env=os.environ | (environment or {}),
        capture_output=True,
        text=True,
        check=False,
        timeout=3000,
        **options,
    )
    assert finished.returncode == status, f"{finished.stdout}\n{finished.stderr}"
    return finished


def curve(workdir: pathlib.Path, split: str) -> list[dict]:
    """The points of one split in a run's metrics.jsonl."""
    points = map(json.loads, (workdir / "metrics.jsonl").read_text().splitlines())
    return [point for point in points if point["split"] == split]


def events(folder: pathlib.Path) -> tuple[dict[str, str], dict[str, list[list]]]:
    """What TensorBoard reads: each tag's plugin, and its points ``[step, value, type]``."""
    return tuple(json.loads(python("-c", READ_EVENTS, folder).stdout))


def checkpoint_steps(workdir: pathlib.Path) -> list[int]:
    """The steps whose checkpoints a run has kept, in order."""
    return sorted(int(p.name) for p in (workdir / "checkpoints").iterdir() if p.name.isdecimal())


def train_and_evaluate(config: ml_collections.ConfigDict, workdir: pathlib.Path) -> None:
    """What ``main.py train`` does, report aside."""
    # Here, because most tests need neither.
    from npr_jax.evaluation.evaluate import evaluate_trained
    from npr_jax.training.train import train

    train(config, workdir)
    evaluate_trained(config, workdir)


def pack(workdir: pathlib.Path, folder: pathlib.Path, facts: dict) -> list[str]:
    """Writes a run's detector and its card into a folder; returns what `export` says."""
    from npr_jax.export.formats import Extras, export_detector
    from npr_jax.inference.detector import Detector

    path = folder / "facts.txt"
    path.write_text(json.dumps(facts))
    return export_detector(Detector.load(workdir), "detector", str(folder), Extras(facts=str(path)))


def saved_arrays(workdir: pathlib.Path, step: int) -> dict[str, np.ndarray]:
    """Every array of a checkpoint's network and optimizer, read without any of our code."""
    arrays = {}
    for item in ("model", "optimizer"):
        path = (workdir / "checkpoints" / str(step) / item).absolute()
        with ocp.PyTreeCheckpointer() as checkpointer:
            # As numpy arrays: a checkpoint remembers devices that may not be there.
            saved = checkpointer.metadata(path).item_metadata
            as_numpy = jax.tree.map(lambda _: ocp.RestoreArgs(restore_type=np.ndarray), saved.tree)
            tree = checkpointer.restore(path, restore_args=as_numpy)
        arrays |= {key: np.asarray(value) for key, value in flatten(tree).items()}
    return arrays


def flatten(tree, prefix: str = "") -> dict:
    """Leaves of nested mappings and lists by their dotted path."""
    if isinstance(tree, dict):
        items = tree.items()
    elif isinstance(tree, list | tuple):
        items = enumerate(tree)
    else:
        return {} if tree is None else {prefix: tree}
    return {
        path: leaf
        for key, value in items
        for path, leaf in flatten(value, f"{prefix}.{key}" if prefix else str(key)).items()
    }
