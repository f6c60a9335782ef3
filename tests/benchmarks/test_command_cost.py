"""A command's largest memory is its own, whatever the process holds that measures it."""

import os
import sys

import pytest

from benchmarks.command_cost import command_cost

MEGABYTE = 2**20


def python(code: str) -> list[str]:
    return [sys.executable, "-I", "-S", "-c", code]


def test_memory_of_the_caller_does_not_count(tmp_path):
    held = b"x" * (300 * MEGABYTE)
    found = command_cost(python("pass"), cwd=str(tmp_path))
    assert len(held) > found.megabytes * MEGABYTE * 5


def test_memory_of_the_command_counts(tmp_path):
    found = command_cost(python(f"b'x' * (300 * {MEGABYTE})"), cwd=str(tmp_path))
    assert 300 <= found.megabytes < 350


def test_memory_and_processor_time_of_its_children_count(tmp_path):
    work = f"import time\nb'x' * (200 * {MEGABYTE})\nwhile time.process_time() < 0.5: pass"
    code = f"import os\nos.spawnv(os.P_WAIT, {sys.executable!r}, {python(work)!r})"
    found = command_cost(python(code), cwd=str(tmp_path))
    assert 200 <= found.megabytes < 250
    assert 0.5 <= found.processor_seconds < 5
    assert found.seconds >= 0.5


def test_output_folder_and_variables_are_those_of_the_command(tmp_path):
    code = "import os; print(os.getcwd(), os.environ['SAID'])"
    environment = os.environ | {"SAID": "two\nlines"}
    found = command_cost(python(code), cwd=str(tmp_path), environment=environment)
    assert found.output == f"{tmp_path} two\nlines\n"


def test_failure_ends_with_its_status(tmp_path):
    with pytest.raises(SystemExit, match=r"exit status 7 of .*sys\.exit"):
        command_cost(python("import sys; sys.exit(7)"), cwd=str(tmp_path))
