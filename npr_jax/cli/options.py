"""The flags of one command, each defined in a line."""

from collections.abc import Sequence

from absl import flags


class Options:
    """Adds flags to those of one command, never to absl's global ones."""

    def __init__(self, values: flags.FlagValues) -> None:
        self._values = values

    def text(self, name: str, what: str, *, default: str = "") -> None:
        """Any text."""
        flags.DEFINE_string(name, default, what, flag_values=self._values)

    def choice(self, name: str, default: str, choices: Sequence[str], what: str) -> None:
        """One of some words."""
        flags.DEFINE_enum(name, default, choices, what, flag_values=self._values)

    def switch(self, name: str, what: str) -> None:
        """On where the flag is given."""
        flags.DEFINE_bool(name, False, what, flag_values=self._values)

    def integer(
        self, name: str, default: int | None, what: str, *, lower_bound: int | None = None
    ) -> None:
        """A whole number."""
        flags.DEFINE_integer(name, default, what, lower_bound=lower_bound, flag_values=self._values)

    def number(self, name: str, default: float | None, what: str) -> None:
        """Any number."""
        flags.DEFINE_float(name, default, what, flag_values=self._values)
