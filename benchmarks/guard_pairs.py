"""The eight pairs of `benchmarks/guard.py`: ours and a named peer at the same work on one core."""

from __future__ import annotations

import dataclasses
import io
import itertools
import os
import pathlib
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from PIL import Image

from benchmarks import pipeline_data, rates
from benchmarks.torch_step import KEEP_FREED_MEMORY, TorchProcess, Work
from input_pipeline.loading.pipeline import train_iterator
from input_pipeline.provenance.report import read_provenance
from input_pipeline.storage.prepared_dataset import PreparedDataset

ROOT = pathlib.Path(__file__).resolve().parent.parent
EDGE = pipeline_data.EDGE
# Images: of a data set, and of the batches that are read in one turn.
IMAGES, READ = 256, 8 * rates.BATCH
QUALITIES = (60, 95)
# What a user of PyTorch would run for one picture.
PYTORCH_PREDICT = """
import sys
import numpy, torch
from PIL import Image
from benchmarks.torch_npr import Normalize, TorchNPR
model = torch.nn.Sequential(Normalize(), TorchNPR()).eval()
pixels = torch.from_numpy(numpy.array(Image.open(sys.argv[1]))).permute(2, 0, 1)[None]
with torch.inference_mode():
    print(float(torch.sigmoid(model(pixels))))
"""


@dataclasses.dataclass(frozen=True)
class Pair:
    """Two functions that do the same once and return the processor seconds it took."""

    name: str
    peer_name: str
    ours: Callable[[], float]
    peer: Callable[[], float]
    rounds: int = 9


def processor_seconds(run: Callable[[], Any]) -> float:
    """Of all threads of this process."""
    start = time.process_time()
    run()
    return time.process_time() - start


def network_pairs(peer: TorchProcess) -> list[Pair]:
    """Training, scoring a batch and scoring a picture, beside PyTorch with its memory kept."""
    from benchmarks.step import our_score, our_train

    def pair(name: str, make: Callable[..., Any], work: Work) -> Pair:
        run = make(work.dtype, work.batch, work.side)

        def theirs() -> float:
            return peer.answer(work, threads=1)["processor_seconds"]

        return Pair(name, "PyTorch, memory kept", lambda: processor_seconds(lambda: run(1)), theirs)

    return [
        pair("training step, 8 images of 96 pixels", our_train, Work("train", 8, 96)),
        pair("prediction, 8 pictures of 256 pixels", our_score, Work("predict", 8, EDGE)),
        pair("prediction, 1 picture of 256 pixels", our_score, Work("predict", 1, EDGE)),
    ]


def cold_start(picture: pathlib.Path) -> Pair:
    """One picture from the shell, everything from the start of Python on."""

    def run(*arguments: str) -> float:
        command = [sys.executable, *arguments, str(picture)]
        environment = os.environ | {"PYTHONPATH": str(ROOT)}
        before = os.times()
        subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True)
        after = os.times()
        user = after.children_user - before.children_user
        return user + after.children_system - before.children_system

    return Pair(
        "one picture from the shell",
        "PyTorch, from the shell",
        lambda: run("main.py", "predict"),
        lambda: run("-c", PYTORCH_PREDICT),
        rounds=3,
    )


def reader(path: pathlib.Path, **settings: Any) -> Callable[[], float]:
    """The training iterator; it reads nothing ahead, which would count in the peer's turn."""
    source = PreparedDataset.load(path).source("train")
    batches = train_iterator(
        source, batch_size=rates.BATCH, seed=0, prefetch=0, **{"resize": EDGE} | settings
    )
    turn = READ // rates.BATCH
    return lambda: processor_seconds(lambda: [next(batches) for _ in range(turn)])


def input_pairs(folder: pathlib.Path) -> list[Pair]:
    """Reading training images, each beside the least that such reading needs."""
    files = [path.read_bytes() for path in pipeline_data.image_files(folder, "JPEG")]
    turn = list(itertools.islice(itertools.cycle(files), READ))
    decode, out = rates.decoders("JPEG")["simplejpeg"], np.empty((EDGE, EDGE, 3), np.uint8)
    shards = sorted(pipeline_data.data_set(folder, "decoded").glob("*.tfrecord*"))
    records = [path for path in shards if path.stat().st_size > EDGE * EDGE]
    memory = bytearray(max(path.stat().st_size for path in records))

    def read_shards() -> None:
        for path in records:
            with path.open("rb", buffering=0) as file:
                file.readinto(memory)

    def reencode(data: bytes) -> np.ndarray:
        buffer = io.BytesIO()
        Image.open(io.BytesIO(data)).save(buffer, "JPEG", quality=sum(QUALITIES) // 2)
        return np.asarray(Image.open(buffer).resize((EDGE, EDGE), Image.Resampling.BILINEAR))

    read_jpeg = reader(pipeline_data.data_set(folder, "JPEG"))
    read_decoded = reader(pipeline_data.data_set(folder, "decoded"))
    read_reencoded = reader(pipeline_data.data_set(folder, "JPEG"), reencode=QUALITIES)
    return [
        Pair(
            "JPEG input",
            "simplejpeg alone",
            read_jpeg,
            lambda: processor_seconds(lambda: [decode(data, out) for data in turn]),
        ),
        Pair(
            "decoded input",
            "reading the shards' bytes",
            read_decoded,
            lambda: processor_seconds(read_shards) * READ / IMAGES,
        ),
        Pair(
            "re-encoded input",
            "Pillow alone",
            read_reencoded,
            lambda: processor_seconds(lambda: [reencode(data) for data in turn]),
        ),
    ]


def provenance() -> Pair:
    """Reading what a JPEG with Exif and XMP says of itself, beside decoding it."""
    buffer, exif = io.BytesIO(), Image.Exif()
    exif[0x010F], exif[0x0110], exif[0x0131] = "Maker", "Camera 1", "Firmware 2.0"
    packet = b"<x:xmpmeta xmlns:x='adobe:ns:meta/'></x:xmpmeta>"
    picture = Image.fromarray(pipeline_data.photograph_like(0))
    picture.save(buffer, "JPEG", quality=90, exif=exif, xmp=packet)
    data = buffer.getvalue()
    return Pair(
        "provenance of a JPEG",
        "Pillow, decoding it",
        lambda: processor_seconds(lambda: [read_provenance(data) for _ in range(200)]),
        lambda: processor_seconds(
            lambda: [Image.open(io.BytesIO(data)).load() for _ in range(200)]
        ),
    )


def all_pairs(folder: pathlib.Path, peer: TorchProcess) -> list[Pair]:
    """The eight, over files that are written into the folder."""
    pipeline_data.make(folder, IMAGES, ("JPEG", "decoded"))
    picture = pipeline_data.image_files(folder, "JPEG")[0]
    return [*network_pairs(peer), cold_start(picture), *input_pairs(folder), provenance()]


def torch_peer() -> TorchProcess:
    """PyTorch with the memory setting that our commands have."""
    return TorchProcess(KEEP_FREED_MEMORY)
