"""Training from files: images per second end to end, and the share of time the step waits.

    python -m benchmarks.gpu.feed --json=FILE --data=DIR [--batch=256 --images=1024 --steps=60]

The product's training iterator (threads of one process on all cores, every checksum verified) feeds
the product's step, as training does, but for logs and checkpoints: images of 256 pixels, random
crops of 224, mirrored. The step alone is the same on one batch that is on the device already; what
the whole takes longer is time in which the step waits. Files come from the page cache. PNG and JPEG
records are decoded on the way, decoded ones are not.
"""

import argparse
import itertools
import pathlib
import time
from collections.abc import Iterable, Iterator
from typing import Any

import jax

from benchmarks import pipeline_data
from benchmarks.gpu import finding
from benchmarks.step import recipe
from input_pipeline.loading.pipeline import train_iterator
from input_pipeline.storage.prepared_dataset import PreparedDataset
from npr_jax.models import sharding
from npr_jax.training.step import make_train_step
from npr_jax.training.train_state import init_train_state

NAMES = ("JPEG", "decoded", "PNG")
GOAL = 10_000  # images/s
# Steps that may be under way while the host makes the next batch.
AHEAD = 2


class Trainer:
    """The training step with its state."""

    def __init__(self, batch: int, crop: int, dtype: str):
        config = recipe(dtype, batch, crop)
        config.data.flip = True
        model, optimizer, state = init_train_state(config, steps_per_epoch=1000)
        self.mesh = sharding.data_mesh()
        self._step = make_train_step(config, model, optimizer)
        self._state = jax.device_put(state, sharding.replicated(self.mesh))

    def seconds(self, batches: Iterable[Any]) -> float:
        """How long the steps over these batches take, all of them."""
        under_way: list[Any] = []
        start = time.perf_counter()
        for batch in batches:
            self._state, metrics = self._step(self._state, batch)
            under_way.append(metrics)
            if len(under_way) > AHEAD:
                jax.block_until_ready(under_way.pop(0))
        jax.block_until_ready(self._state)
        return time.perf_counter() - start


def endless(path: pathlib.Path, batch: int) -> Any:
    """The training iterator over a data set."""
    source = PreparedDataset.load(path).source("train")
    return train_iterator(source, batch_size=batch, seed=0, resize=pipeline_data.EDGE)


def on_device(batches: Iterator[Any], mesh: jax.sharding.Mesh, steps: int) -> Iterator[Any]:
    """So many batches, each copied when it is asked for."""
    for batch in itertools.islice(batches, steps):
        yield sharding.to_devices(batch, mesh)


def measure(folder: pathlib.Path, trainer: Trainer, batch: int, steps: int) -> list[dict[str, Any]]:
    """A row for each kind of record."""
    rows: list[dict[str, Any]] = []
    for name in NAMES:
        batches = endless(pipeline_data.data_set(folder, name), batch)
        try:
            first = sharding.to_devices(next(batches), trainer.mesh)
            trainer.seconds([first] * 3)  # compiles, and warms the threads of the iterator up
            alone = trainer.seconds([first] * steps)
            trainer.seconds(on_device(batches, trainer.mesh, 6))  # was ready before the clock
            whole = trainer.seconds(on_device(batches, trainer.mesh, steps))
        finally:
            batches.close()
        rows.append(
            {
                "records": name,
                "images_per_second": batch * steps / whole,
                "step_alone": batch * steps / alone,
                "share_waiting": max(0.0, 1 - alone / whole),
            }
        )
    return rows


def main() -> None:
    """Measures and writes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", required=True, help="file for the results")
    parser.add_argument("--data", required=True, type=pathlib.Path, help="made where missing")
    parser.add_argument("--images", type=int, default=1024)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--crop", type=int, default=224, help="pixels")
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--dtype", default="bfloat16", choices=("float32", "bfloat16"))
    flags = parser.parse_args()
    if not flags.data.exists():
        flags.data.mkdir()
        pipeline_data.make(flags.data, flags.images, NAMES)
    trainer = Trainer(flags.batch, flags.crop, flags.dtype)
    rows = measure(flags.data, trainer, flags.batch, flags.steps)
    findings = []
    for row in rows:
        what = f"{row['records']}, batch {flags.batch}"
        rate = row["images_per_second"]
        goal = row["records"] == "JPEG"  # what the published data sets mostly hold
        label = f"{what}: images/s end to end"
        findings.append(finding.at_least(label, rate, GOAL) if goal else finding.fact(label, rate))
        findings.append(finding.fact(f"{what}: share of time the step waits", row["share_waiting"]))
    finding.write(flags.json, findings, rows=rows)


if __name__ == "__main__":
    main()
