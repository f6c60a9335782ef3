"""What ``--help`` prints, and the name by which the command line was called."""

import pathlib
import re
import sys
import textwrap
from collections.abc import Iterable

from absl.flags import Flag

from npr_jax.cli.command import Command

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
    lines += ["", f"`{program()} COMMAND --help` explains a command; without one, it is train."]
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
    if named := re.search(rf"--{flag.name}=([\w.,:|]+)", usage):
        return f"={named[1]}"
    kind = flag.flag_type()
    return {"int": "=N", "float": "=NUMBER"}.get(kind, "=TEXT")
