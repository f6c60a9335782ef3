"""The entry of the command line: finds the command, runs it, turns errors into exit statuses.

Also what ``--help`` prints, and the name by which the command line was called.
"""

import contextlib
import difflib
import logging as python_logging
import os
import pathlib
import re
import sys
import textwrap
import traceback
import warnings
from collections.abc import Iterable, Iterator, Sequence

from absl import logging
from absl.flags import FLAGS, Flag

from input_pipeline.errors import UserError
from npr_jax.cli.command import Command, asks_for_help, flag_name
from npr_jax.cli.data import PAIRS, PREPARE, RECONSTRUCT
from npr_jax.cli.evaluate import CALIBRATE, EVALUATE, LOCALIZE, ROBUSTNESS
from npr_jax.cli.report import REPORT
from npr_jax.cli.score import EXPORT, PREDICT, SERVE
from npr_jax.cli.stopping import Terminated
from npr_jax.cli.train import LIST, NOISE_PREDICTOR, SWEEP, TRAIN

# In the order in which they are listed.
_ALL = (
    TRAIN, EVALUATE, PREDICT, PREPARE, PAIRS, ROBUSTNESS, CALIBRATE, SWEEP, NOISE_PREDICTOR,
    RECONSTRUCT, REPORT, LOCALIZE, EXPORT, SERVE, LIST,
)  # fmt: skip
COMMANDS: dict[str, Command] = {command.name: command for command in _ALL}
# Modules of the extra ``train`` in pyproject.toml that this project imports.
EXTRA = ("clu", "cv2", "grain", "jinja2", "sklearn", "tensorboard", "threadpoolctl")


@contextlib.contextmanager
def extra_named() -> Iterator[None]:
    """Turns a missing library of the extra ``train`` into the command that installs it."""
    try:
        yield
    except ModuleNotFoundError as error:
        module = (error.name or "").split(".")[0]
        if module not in EXTRA:
            raise
        raise UserError(
            f"this needs {module}, which is not installed; run pip install 'npr-jax[train]'"
        ) from error


DONE = 0
# Some files could not be scored, or the work ended for a reason outside this program.
INCOMPLETE = 1
USAGE_ERROR = 2
FAULT = 70  # EX_SOFTWARE of sysexits.h
# What a shell reports for a process that SIGINT or SIGTERM ended.
INTERRUPTED, TERMINATED = 130, 143


def main() -> int:
    """Runs the command of ``sys.argv`` in a process that is its own; returns the exit status."""
    logging.use_absl_handler()
    FLAGS([sys.argv[0]])  # libraries read absl's global flags, which are none of ours
    # What our own modules say is for the user; what libraries log at that level is not.
    logging.set_verbosity(logging.WARNING)
    python_logging.getLogger("npr_jax").setLevel(python_logging.INFO)
    warnings.filterwarnings("ignore", category=UserWarning, module="PIL")
    # A file's name may hold what the terminal's encoding lacks; no result is lost to that.
    if sys.stdout.errors == "strict":
        sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    return run(sys.argv[1:])


def run(arguments: Sequence[str]) -> int:
    """Runs one command and its flags; without a command, those of ``train``.

    Returns 0: done. 1: some files could not be scored, a check found something, or the work ended
    for a reason outside (disk, memory, a loss that is not finite). 2: arguments, files or settings
    that cannot be used. 70: a fault of this project. 130: interrupted by the user. 143:
    terminated by SIGTERM, where the command had to close its files; a training that SIGTERM ends
    is saved and returns 0 or its ``--preempted_status``.
    """
    try:
        status = _dispatch(list(arguments))
        sys.stdout.flush()  # a full disk is then an error like any other
        return status
    except UserError as error:
        return _stop(f"error: {error}", USAGE_ERROR)
    except Terminated:
        return _stop("terminated", TERMINATED)
    except KeyboardInterrupt:
        return _stop("interrupted", INTERRUPTED)
    except BrokenPipeError:
        # Whoever read the output, as `head` does, has seen enough; Python would complain at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return INCOMPLETE
    except PermissionError as error:
        return _stop(f"error: {_refused(error)}", INCOMPLETE)
    except (OSError, FloatingPointError, MemoryError) as error:
        return _stop(f"error: {str(error) or type(error).__name__}", INCOMPLETE)
    except Exception as error:  # noqa: BLE001 - whatever is left is our fault, and said to be
        if "RESOURCE_EXHAUSTED" in str(error):  # as XLA says that a device's memory is full
            return _stop(f"error: {str(error).splitlines()[0]}", INCOMPLETE)
        traceback.print_exception(error)
        return _stop(
            "This is a fault in NPR in JAX, not in what you did. Please report it with the lines "
            "above.",
            FAULT,
        )


def _dispatch(arguments: list[str]) -> int:
    if not arguments:
        print(format_commands(COMMANDS.values()), file=sys.stderr)
        return USAGE_ERROR
    first, *rest = arguments
    if first == "help" or asks_for_help([first]):
        named = [COMMANDS[word] for word in rest if word in COMMANDS]
        print(format_command(named[0]) if named else format_commands(COMMANDS.values()))
        return DONE
    if arguments == ["--version"]:
        print(_versions())
        return DONE
    if flag_name(first):
        first, rest = "train", arguments
    if first not in COMMANDS:
        close = difflib.get_close_matches(first, COMMANDS, n=1)
        meant = f"; did you mean {close[0]}? Commands" if close else "; commands"
        raise UserError(f"there is no command {first!r}{meant}: {', '.join(COMMANDS)}")
    command = COMMANDS[first]
    if asks_for_help(rest):
        print(format_command(command))
        return DONE
    with extra_named():
        flags, words = command.parse(rest, COMMANDS.values())
        return command.run(flags, words) if command.words else command.run(flags)


def _versions() -> str:
    """Which program this is, and which detector comes with it."""
    from npr_jax.detectors.card import outline_of, own_card
    from npr_jax.evaluation.provenance import package_version

    own = package_version() or "from a checkout that is not installed"
    return f"npr-jax {own}, bundled detector {outline_of(own_card()).title}"


def _refused(error: PermissionError) -> str:
    """What the system does not allow, with the file or folder that the user knows."""
    if not error.filename:
        return str(error)
    folder, name = os.path.split(os.fsdecode(error.filename))
    # As files and folders are called until they are whole.
    if partial := re.fullmatch(r"\.?(.+)\.partial", name):
        name = partial[1]
    return (
        f"{os.path.join(folder, name)}: {error.strerror}; give another path, or the user who runs "
        "this the right to use that one and its folder"
    )


def _stop(message: str, status: int) -> int:
    print(message, file=sys.stderr)
    return status


WIDTH = 100
INDENT = 6


def program() -> str:
    """How the user called the command line: by main.py, or by the name it is installed under."""
    name = pathlib.Path(sys.argv[0]).name
    return name if name == "npr-jax" else "python main.py"


def format_commands(commands: Iterable[Command]) -> str:
    """What there is, one line for each command."""
    commands = list(commands)
    width = max(len(command.name) for command in commands)
    lines = [f"usage: {program()} COMMAND [flags]", "", "commands:"]
    lines += [f"  {command.name:{width}}  {command.summary}" for command in commands]
    lines += [
        "",
        f"`{program()} COMMAND --help` explains a command. Flags alone are those of train.",
        f"`{program()} --version` names this program and the bundled detector.",
    ]
    return "\n".join(lines)


def format_command(command: Command) -> str:
    """A command's purpose, usage, examples and flags."""
    lines = [f"{command.name}: {command.summary}", ""]
    lines += [*_wrapped(f"usage: {program()} {command.name} {command.usage}".rstrip(), 4, 0), ""]
    if command.details:
        lines += [*_wrapped(command.details, 0, 0), ""]
    lines += ["examples:", *(f"  {program()} {example}" for example in command.examples)]
    flags = command.flags()
    if len(flags):
        lines += ["", "flags:"]
    for name in flags:
        flag = flags[name]
        lines.append(f"  --{name}{_value(flag, command.usage)}")
        help = flag.help.rpartition(">: ")[2]  # absl puts the choices before it
        if not flag.boolean and flag.default not in (None, ""):
            help += f" Default: {flag.default}."
        lines += _wrapped(help, INDENT, INDENT)
    return "\n".join(lines)


def _wrapped(text: str, indent: int, first: int) -> list[str]:
    return textwrap.wrap(
        text,
        WIDTH,
        initial_indent=" " * first,
        subsequent_indent=" " * indent,
        break_on_hyphens=False,
        break_long_words=False,
    )


def _value(flag: Flag, usage: str) -> str:
    """``=FILE``: as the usage has it, else the choices or the type."""
    if flag.boolean:
        return ""
    if choices := getattr(flag.parser, "enum_values", None):
        return "=" + "|".join(filter(None, choices))
    if named := re.search(rf"--{flag.name}=([\w.,:|/]+)", usage):
        return f"={named[1]}"
    kind = flag.flag_type()
    return {"int": "=N", "float": "=NUMBER"}.get(kind, "=TEXT")
