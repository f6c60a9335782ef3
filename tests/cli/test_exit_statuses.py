"""What the command line says, and returns, when work cannot be done."""

import dataclasses
import os
import signal
import subprocess
import sys

import pytest
from jax.errors import JaxRuntimeError

from input_pipeline.errors import UserError
from npr_jax.cli import main
from npr_jax.cli.main import COMMANDS
from tests import runs


@pytest.fixture
def failing(monkeypatch):
    """Makes the command ``list`` raise an error, or return a status."""

    def install(outcome):
        def work(flags):
            if isinstance(outcome, BaseException):
                raise outcome
            return outcome

        broken = dataclasses.replace(COMMANDS["list"], run=work)
        monkeypatch.setitem(COMMANDS, "list", broken)

    return install


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (UserError("--x=1; expected 2"), 2, "error: --x=1; expected 2\n"),
        (OSError(28, "No space left on device"), 1, "error: [Errno 28] No space left on device\n"),
        (PermissionError(13, "Permission denied"), 1, "error: [Errno 13] Permission denied\n"),
        *(
            (
                PermissionError(13, "Permission denied", f"locked/{name}"),
                1,
                "error: locked/p: Permission denied; give another path, or the user who runs this "
                "the right to use that one and its folder\n",
            )
            for name in ("p", "p.partial", ".p.partial")
        ),
        (FloatingPointError("the loss is nan"), 1, "error: the loss is nan\n"),
        (
            JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 8 bytes.\nmore"),
            1,
            "error: RESOURCE_EXHAUSTED: Out of memory allocating 8 bytes.\n",
        ),
        (MemoryError(), 1, "error: MemoryError\n"),
        (KeyboardInterrupt(), 130, "interrupted\n"),
    ],
)
def test_one_line_for_what_is_no_fault_of_ours(failing, capsys, error, status, said):
    failing(error)
    assert main.run(["list"]) == status
    assert capsys.readouterr() == ("", said)


@pytest.mark.parametrize("error", [ValueError("shapes differ"), KeyError("x"), RuntimeError()])
def test_a_fault_of_ours_shows_its_traceback(failing, capsys, error):
    """A ``ValueError`` that is no ``UserError`` is as much a fault as any other."""
    failing(error)
    assert main.run(["list"]) == 70
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("Traceback")
    assert f"{type(error).__name__}" in err
    assert "a fault in NPR in JAX, not in what you did" in err.splitlines()[-1]


@pytest.mark.parametrize("status", [0, 1])
def test_the_status_of_a_command_is_that_of_the_process(failing, status):
    failing(status)
    assert main.run(["list"]) == status


def test_no_result_is_lost_to_the_encoding_of_standard_output(tmp_path):
    """A generator's folder, printed by a command that knows nothing of encodings."""
    folder = tmp_path / "tree" / "Müller\udcff" / "0_real"
    folder.mkdir(parents=True)
    (folder / "a.png").write_bytes(b"no image")
    environment = {"PYTHONIOENCODING": "ascii:strict"}
    arguments = ["prepare", "--check", f"--source={tmp_path / 'tree'}"]
    finished = subprocess.run(
        [sys.executable, "main.py", *arguments],
        cwd=runs.ROOT,
        env=os.environ | environment,
        capture_output=True,
        check=False,
    )
    assert finished.returncode == 1, finished.stderr
    assert rb"M\xfcller\xff" in finished.stdout


def test_control_c_is_one_line_and_a_status_of_its_own(tmp_path):
    """While the server waits for requests, say, or a run trains."""
    program = (
        # Started in a shell's background, this process and its children would ignore the signal.
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
        "import dataclasses, sys, time; from npr_jax.cli import main; "
        "from npr_jax.cli.main import COMMANDS; "
        "wait = lambda flags: (print('ready', flush=True), time.sleep(600)); "
        "COMMANDS['list'] = dataclasses.replace(COMMANDS['list'], run=wait); "
        "sys.argv[1:] = ['list']; sys.exit(main.main())"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program],
        cwd=runs.ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=300)
    assert (process.returncode, err) == (130, "interrupted\n")


def test_a_reader_who_has_seen_enough_is_no_error():
    """``prepare --list | head -1``."""
    with subprocess.Popen(
        [sys.executable, "main.py", "prepare", "--list"],
        cwd=runs.ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        process.stdout.close()
        assert process.stderr.read() == ""
        assert process.wait(timeout=300) == 1


def test_full_disk_on_standard_output_is_an_error(tmp_path):
    if not os.path.exists("/dev/full"):
        pytest.skip("needs /dev/full")
    with open("/dev/full", "w") as full:
        finished = subprocess.run(
            [sys.executable, "main.py", "prepare", "--list"],
            cwd=runs.ROOT,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert finished.returncode == 1
    assert finished.stderr.startswith("error: [Errno 28] No space left on device")
