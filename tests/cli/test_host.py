"""The commands' settings of memory and cores, each in a process of its own."""

import os
import platform

import pytest

from tests import runs

FAULTS_OF_A_SECOND_BLOCK = """
import resource
import numpy as np
from npr_jax.cli.host import keep_freed_memory
if {arguments} is not None:
    assert keep_freed_memory(*{arguments})
for _ in range(2):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    block = np.ones(200_000_000, np.uint8)
    del block
    print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""
DEVICES = """
import jax
from npr_jax.cli.host import use_cores_as_devices
if {used_before}:
    jax.devices()
use_cores_as_devices()
print(jax.local_device_count("cpu"))
"""


def printed(script: str, **environment) -> list[int]:
    return list(map(int, runs.python("-c", script, environment=environment).stdout.split()))


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the setting is glibc's")
def test_freed_memory_is_used_again_without_the_kernel():
    def faults(arguments):
        return printed(FAULTS_OF_A_SECOND_BLOCK.format(arguments=arguments))

    first, fresh = faults(None)
    assert min(first, fresh) > 50, "without the setting the kernel clears the pages anew"
    for arguments in ((), (2**28,)):
        first, again = faults(arguments)
        assert first > 50
        assert again < 10
    assert faults((2**26,))[1] > 50, "blocks above the limit go back"


def test_cores_become_devices_unless_the_user_or_an_earlier_use_decided():
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    assert printed(DEVICES.format(used_before=False)) == [min(cores, 4)]
    assert printed(DEVICES.format(used_before=False), JAX_NUM_CPU_DEVICES="3") == [3]
    assert printed(DEVICES.format(used_before=True)) == [1]
