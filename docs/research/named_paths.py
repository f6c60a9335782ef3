"""Paths that a command line names together with what they are of, as ``clean=scores.csv``."""

import argparse
import pathlib
from collections.abc import Callable


def path_of(what: str) -> Callable[[str], tuple[str, pathlib.Path]]:
    """Returns what reads ``WHAT=PATH``, as the ``type`` of an argument of ``argparse``.

    It gives the name and the path; ``argparse.ArgumentTypeError`` for a text of another form.
    """

    def read(text: str) -> tuple[str, pathlib.Path]:
        name, equals, path = text.partition("=")
        if not (name and equals and path):
            raise argparse.ArgumentTypeError(f"{text!r} is not {what}=PATH")
        return name, pathlib.Path(path)

    return read
