"""Where several processes train or score together: waiting for, and collecting from, all."""

import json
from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils

from input_pipeline.errors import UserError

# Seconds without a sign of life after which a process counts as dead, and JAX ends the others.
LONGEST_SILENCE = 30
# What the error of a collective, or of JAX's coordination service, says where its peer is gone.
_PEER_IS_GONE = ("Gloo", "NCCL", "heartbeat", "coordination service", "CoordinationService")


def join_processes(
    coordinator: str, num_processes: int, process_id: int, longest_silence: int = LONGEST_SILENCE
) -> None:
    """Makes this process one of several that compute together; call before anything else of JAX.

    The coordinator is ``host:port`` of process 0, the same for all; processes count from 0. One of
    which nothing is heard for ``longest_silence`` seconds counts as dead, and JAX aborts the others
    with a text that says so.
    ``UserError`` for another number, or an address without a port.
    """
    if not 0 <= process_id < num_processes:
        raise UserError(
            f"--process_id={process_id} of --num_processes={num_processes}; "
            f"expected 0 to {num_processes - 1}"
        )
    if not coordinator.rpartition(":")[2].isdecimal():
        raise UserError(f"--coordinator={coordinator}; expected HOST:PORT, as 10.0.0.1:1234")
    jax.distributed.initialize(
        coordinator,
        num_processes,
        process_id,
        heartbeat_timeout_seconds=longest_silence,
        shutdown_timeout_seconds=longest_silence,
    )
    # All are here now. On CPUs the first collective fails where one process comes to it 30 s after
    # another, having read or compiled for longer; the next ones wait.
    wait_for_all("joined")


def lost_process(error: BaseException | None) -> str:
    """What JAX says where an error came of another process that this one computes with and that is
    gone; empty for all other errors."""
    if jax.process_count() == 1 or error is None:
        return ""
    # The first of them knows it best: a save that fails for it speaks of the disk.
    if earlier := lost_process(error.__cause__ or error.__context__):
        return earlier
    told = any(words in str(error) for words in _PEER_IS_GONE)
    return str(error).splitlines()[0][:200] if told else ""


def wait_for_all(what: str) -> None:
    """Returns once every process has called this with the same text."""
    if jax.process_count() > 1:
        multihost_utils.sync_global_devices(what)


def gather_rows(values: np.ndarray) -> np.ndarray:
    """Rows of all processes, in process order; processes may have different numbers of them."""
    if jax.process_count() == 1:
        return values
    counts = multihost_utils.process_allgather(np.array(len(values)))
    padded = np.zeros((counts.max(), *values.shape[1:]), values.dtype)
    padded[: len(values)] = values
    rows = multihost_utils.process_allgather(padded)
    return np.concatenate([part[:count] for part, count in zip(rows, counts, strict=True)])


def gather_lists(values: list[Any]) -> list[Any]:
    """One list of what JSON can hold, from the lists of all processes in process order."""
    if jax.process_count() == 1:
        return values
    text = gather_rows(np.frombuffer((json.dumps(values) + "\n").encode(), np.uint8))
    return [item for line in text.tobytes().decode().splitlines() for item in json.loads(line)]
