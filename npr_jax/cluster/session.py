"""A Ray cluster for a while: one that is there, or this machine alone."""

import contextlib
import logging
import os
import warnings
from collections.abc import Iterator
from typing import Any

from input_pipeline.cores import available_cores
from input_pipeline.errors import UserError

# Ray gives its servers 15 s to start, which a busy machine may not keep.
TRIES = 3
# Loggers that advise at each start to undo what is done on purpose: its servers are guarded by a
# token, and no bar is drawn where there is no terminal.
ADVICE = ("ray._private.authentication.authentication_token_setup", "ray.data._internal.progress")
# Loggers that show where in Ray an error was that is raised besides.
TRACES = ("ray.data._internal.execution.streaming_executor_state", "ray.data.exceptions")


def import_ray() -> Any:
    """The module; ``UserError`` where it is not installed."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # it would tell its makers of this run
    try:
        import ray
        import ray.data
    except ModuleNotFoundError as error:
        raise UserError(
            f"--engine=ray needs {error.name}, which is not installed; "
            "run pip install 'npr-jax[ray]'"
        ) from error
    return ray


@contextlib.contextmanager
def session(ray: Any, address: str, **options: Any) -> Iterator[None]:
    """The cluster that this process is in, the one at an address, or if empty this machine.

    Args:
        ray: the module.
        address: as ``ray.init`` takes it.
        options: more of ``ray.init``, where Ray is started here.

    Raises:
        UserError: no cluster answers at the address.
        TimeoutError: Ray did not start on this machine.
    """
    if ray.is_initialized():
        yield
        return
    for name in ADVICE:
        logging.getLogger(name).setLevel(logging.ERROR)
    with warnings.catch_warnings():
        # JAX has threads; what is forked here becomes another program at once.
        warnings.filterwarnings("ignore", r"os\.fork\(\) was called", RuntimeWarning)
        if address:
            _join(ray, address)
        else:
            _start(ray, options)
    logging.getLogger("ray.data").setLevel(logging.WARNING)
    for name in TRACES:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        ray.shutdown()


def _join(ray: Any, address: str) -> None:
    try:
        ray.init(address=address, logging_level=logging.WARNING, log_to_driver=False)
    except (ConnectionError, ValueError) as error:
        raise UserError(
            f"--address={address}: no Ray cluster answers there; start one with `ray start`, or "
            "leave --address out to use this machine"
        ) from error


def _start(ray: Any, options: dict[str, Any]) -> None:
    """Ray on this machine, for this work alone.

    One core more than there is: reading and writing do little, but each wants a core of its own.
    """
    for tries_left in reversed(range(TRIES)):
        try:
            ray.init(
                address="local",
                include_dashboard=False,
                logging_level=logging.WARNING,
                log_to_driver=False,
                **{"num_cpus": available_cores() + 1} | options,
            )
            return
        except Exception as error:
            # Ray says of no class of its own that one of its servers did not come up in time.
            ray.shutdown()
            if "timed out" not in str(error):
                raise
            if not tries_left:
                raise TimeoutError(
                    f"Ray did not start in {TRIES} tries; the machine may be too busy. Try again "
                    "later, or start it with `ray start --head` and give --address=auto"
                ) from error
