"""How a command uses the machine it runs on: its memory and its cores.

Both settings belong to the whole process, so the commands of ``main.py`` make them and the
library (``npr_jax.Detector``) never does. What they bring is in docs/benchmarks.md.
"""

import contextlib
import ctypes
import platform

from input_pipeline.cores import available_cores

# Arguments of glibc's mallopt, see its manual page.
_TRIM_THRESHOLD, _MMAP_THRESHOLD, _MMAP_MAX, _ARENA_MAX = -1, -3, -4, -8
# Each device scores a batch of its own, up to half a gigabyte for tiles of 1024 pixels.
MAX_CPU_DEVICES = 4
# Bytes. Batches of scoring stay below, tiles of large photographs above: kept, they would make
# the process twice as large.
LARGEST_KEPT_WHEN_SCORING = 2**28


def keep_freed_memory(largest: int | None = None) -> bool:
    """Makes glibc keep what is freed for the next use instead of handing it to the kernel.

    XLA asks for the memory of a whole step at once and gives it back after. Fresh from the kernel
    it is cleared page by page, which takes a third of a step on a CPU. The process then stays as
    large as it once was; with ``largest``, blocks of at least so many bytes still go back.

    Returns whether this process has glibc and the setting was made.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    mallopt = ctypes.CDLL(None).mallopt
    large = {_MMAP_MAX: 0} if largest is None else {_MMAP_THRESHOLD: largest}
    settings = {**large, _TRIM_THRESHOLD: -1, _ARENA_MAX: 1}
    return all(mallopt(name, value) == 1 for name, value in settings.items())


def use_cores_as_devices() -> None:
    """Makes JAX see each core (up to ``MAX_CPU_DEVICES``) as a device of its own.

    For scoring, which splits batches over the devices: some of XLA's operations run on one core
    of a device only. It has no effect once JAX has been used; ``JAX_NUM_CPU_DEVICES`` in the
    environment has precedence.
    """
    import jax  # which takes a second, and memory is kept without it, too

    if jax.config.values["jax_num_cpu_devices"] >= 0:
        return
    with contextlib.suppress(RuntimeError):  # JAX has begun already and keeps what it has
        jax.config.update("jax_num_cpu_devices", min(available_cores(), MAX_CPU_DEVICES))
