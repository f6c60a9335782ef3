"""The peer of the pipeline benchmark: image files by PIL and torch's DataLoader."""

import multiprocessing
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image


class FileDataset:
    """What a PyTorch user writes: open with PIL, to RGB, resize where needed, to a uint8 tensor."""

    def __init__(self, paths: list[Path], edge: int) -> None:
        self.paths = paths
        self.edge = edge

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> Any:
        import torch  # a worker process imports this module before it needs torch

        image = Image.open(self.paths[index]).convert("RGB")
        if image.size != (self.edge, self.edge):
            image = image.resize((self.edge, self.edge), Image.Resampling.BILINEAR)
        return torch.from_numpy(np.array(image)), index % 2


def torch_batches(
    paths: list[Path], edge: int, batch_size: int, workers: int, threads: int
) -> Iterator[Any]:
    """Returns endless shuffled batches (uint8 [b, edge, edge, 3], int64 [b]) of image files."""
    import torch
    from torch.utils.data import DataLoader, RandomSampler

    torch.set_num_threads(threads)
    dataset = FileDataset(paths, edge)
    # One epoch without an end, so that workers never wait for the next to begin.
    sampler = RandomSampler(dataset, replacement=True, num_samples=10**7)
    loader = DataLoader(
        dataset,
        batch_size=batch_size,
        sampler=sampler,
        num_workers=workers,
        # Not forked from this process, which has run threads of its own by now.
        multiprocessing_context=_worker_context() if workers else None,
    )
    return iter(loader)


@cache
def _worker_context() -> Any:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["torch.utils.data", "__main__"])
    return context
