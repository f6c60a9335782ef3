"""One command of the command line: its flags, and what it says about those it does not have."""

from __future__ import annotations

import dataclasses
import difflib
import functools
import importlib.util
import math
import pathlib
from collections.abc import Callable, Iterable, Mapping, Sequence

from absl import flags as absl_flags

from input_pipeline.errors import UserError

# absl's own, which would read flags from a file or let unknown ones pass.
_REFUSED = ("flagfile", "undefok")
# Flags without which there is a default: empty, as by an unset variable, they would mean that too.
_NEVER_EMPTY = ("workdir", "weights")
# What absl and ml_collections raise for a value, a setting or a file that cannot be used.
_UNUSABLE = (absl_flags.Error, AttributeError, KeyError, TypeError, ValueError, OSError)
# Adds a flag to those of one command, never to absl's global ones.
Define = Callable[..., object]


def text(name: str, what: str, *, default: str = "") -> Define:
    """Any text."""
    return functools.partial(absl_flags.DEFINE_string, name, default, what)


def choice(name: str, default: str, choices: Sequence[str], what: str) -> Define:
    """One of some words."""
    return functools.partial(absl_flags.DEFINE_enum, name, default, choices, what)


def switch(name: str, what: str) -> Define:
    """On where the flag is given."""
    return functools.partial(absl_flags.DEFINE_bool, name, False, what)


def integer(name: str, default: int | None, what: str, *, lowest: int | None = None) -> Define:
    """A whole number."""
    return functools.partial(absl_flags.DEFINE_integer, name, default, what, lower_bound=lowest)


def number(name: str, default: float | None, what: str) -> Define:
    """Any number."""
    return functools.partial(absl_flags.DEFINE_float, name, default, what)


def pixels_of(megapixels: float) -> int:
    """The pixels that --max_megapixels names; ``UserError`` for none, or no finite number."""
    if not 0 < megapixels * 1e6 < math.inf:
        raise UserError(
            f"--max_megapixels={megapixels}; expected a number of megapixels above 0, as 250"
        )
    return round(megapixels * 1e6)


def check_directory(flag: str, value: str) -> None:
    """Raises ``UserError`` for a directory that cannot be made, as it is a file or lies in one."""
    for path in (pathlib.Path(value), *pathlib.Path(value).parents):
        if path.is_file():
            inside = "" if str(path) == value else f": {path}"
            raise UserError(f"--{flag}={value}{inside} is a file; give a directory")


@dataclasses.dataclass(frozen=True)
class Command:
    """What a user can ask for, by one word."""

    name: str  # the word
    summary: str  # one line for the list of commands
    usage: str  # what follows the name, in the form of a manual's synopsis
    examples: tuple[str, ...]  # whole arguments, the name first
    # does the work; gets the parsed flags and, where ``words`` is not empty, the other arguments.
    # Returns the exit status
    run: Callable[..., int]
    define: Sequence[Define] = ()  # its flags
    details: str = ""  # a paragraph for ``--help``
    words: str = ""  # what the arguments besides flags are; empty: it takes none
    # folder of the recipes that its ``--config`` names; empty: it has no ``--config``
    recipes: str = ""
    # flag of another command -> what to do instead here
    advice: Mapping[str, str] = dataclasses.field(default_factory=dict)

    def flags(self, arguments: Sequence[str] = ()) -> absl_flags.FlagValues:
        """Its flags, not parsed yet; of ``arguments`` only the ``--config.KEY=VALUE`` are read."""
        values = absl_flags.FlagValues()
        if self.recipes:
            # Only recipes need the library, and importing it takes as long as all of --help.
            from ml_collections import config_flags

            config_flags.DEFINE_config_file(
                "config",
                None,
                f"Recipe, such as {self.recipes}/NAME.py; --config.KEY=VALUE changes one of its "
                "settings.",
                flag_values=values,
                sys_argv=[self.name, *arguments],
            )
        for define in self.define:
            define(flag_values=values)
        return values

    @functools.cached_property
    def flag_names(self) -> tuple[str, ...]:
        """The names of its flags."""
        return tuple(self.flags())

    def parse(
        self, arguments: Sequence[str], others: Iterable[Command]
    ) -> tuple[absl_flags.FlagValues, list[str]]:
        """The flags with their values, and the arguments that are none.

        ``UserError`` for a flag that it does not have, which may be one of ``others``, or a value
        that cannot be used.
        """
        for argument in arguments[: _end_of_flags(arguments)]:
            if flag_name(argument) in _REFUSED:
                raise UserError(self.refusal(flag_name(argument), others))
        if self.recipes:
            arguments = [shipped_recipe(argument) for argument in arguments]
        values = self.flags(arguments)
        try:
            _, *words = values([self.name, *arguments])
        except absl_flags.UnrecognizedFlagError as error:
            problem = self._explain(error, arguments) if self.recipes else ""
            raise UserError(problem or self.refusal(error.flagname, others)) from error
        except _UNUSABLE as error:
            raise UserError(self._explain(error, arguments)) from error
        for name in _NEVER_EMPTY:
            if name in values and values[name].present and not values[name].value:
                raise UserError(
                    f"--{name} is empty, as where it is given by a variable that is not set; give "
                    "it a value, or leave it out"
                )
        if words and not self.words:
            named = words[0] in (other.name for other in others)
            raise UserError(
                f"{self.name} takes no arguments, got {' '.join(words)!r}; "
                + ("the command comes first" if named else "flags begin with --")
            )
        return values, words

    def refusal(self, name: str, others: Iterable[Command]) -> str:
        """What to say of a flag that this command does not have."""
        if name in self.advice:
            return f"{self.name} has no flag --{name}: {self.advice[name]}"
        # --config.data.split=dev, for a command without recipes, most likely means --split.
        last = name.rpartition(".")[2]
        owners = [other.name for other in others if name.split(".")[0] in other.flag_names]
        problem = f"{self.name} has no flag --{name}"
        problem += f", which belongs to {', '.join(owners)}" if owners else ""
        close = difflib.get_close_matches(last, self.flag_names, n=1, cutoff=0.7)
        problem += f"; did you mean --{close[0]}? " if close else "; "
        return f"{problem}`{self.name} --help` lists its flags"

    def _explain(self, error: Exception, arguments: Sequence[str]) -> str:
        """One line for flags that absl could not parse; empty: it does not know the flag."""
        names = [flag_name(argument) for argument in arguments]
        if self.recipes and any(name.startswith("config.") for name in names):
            from npr_jax.config import explain_override

            if "config" not in names:
                return f"--config.KEY=VALUE changes a recipe: add --config={self.recipes}/NAME.py"
            for argument in arguments:
                if problem := explain_override(argument, str(error)):
                    return problem
        if isinstance(error, absl_flags.UnrecognizedFlagError):
            return ""
        # A recipe's own error arrives with its traceback; the last line says what is wrong.
        lines = [line for line in str(error).splitlines() if line.strip()]
        problem = lines[-1].removeprefix("ValueError: ") if lines else type(error).__name__
        return f"{problem}; see `{self.name} --help`"


def shipped_recipe(argument: str) -> str:
    """``--config=configs/NAME.py`` with the path of the recipe that is installed.

    Other arguments, and recipes that are there, are returned as they are.
    """
    flag, _, recipe = argument.partition("=")
    path, colon, variant = recipe.partition(":")
    package = importlib.util.find_spec("configs")
    if flag.lstrip("-") != "config" or package is None or not package.submodule_search_locations:
        return argument
    installed = pathlib.Path(package.submodule_search_locations[0]).parent / path
    if not path.startswith("configs/") or pathlib.Path(path).exists() or not installed.is_file():
        return argument
    return f"{flag}={installed}{colon}{variant}"


def flag_name(argument: str) -> str:
    """``output`` of ``--output=DIR``; empty for what is no flag."""
    if not argument.startswith("-"):
        return ""
    return argument.lstrip("-").partition("=")[0]


def asks_for_help(arguments: Sequence[str]) -> bool:
    """Whether ``--help`` or ``-h`` is among the flags."""
    return any(a in ("--help", "-help", "-h") for a in arguments[: _end_of_flags(arguments)])


def _end_of_flags(arguments: Sequence[str]) -> int:
    return arguments.index("--") if "--" in arguments else len(arguments)
