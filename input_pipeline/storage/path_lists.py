"""How one flag or setting names several paths."""

import os

from input_pipeline.errors import UserError


def split_paths(text: str, flag: str) -> list[str]:
    """The paths in a list such as `runs/a, runs/b`.

    It is split at commas, and blanks around a path do not count. A file or directory of exactly the
    whole name is taken for what it is: `cats, dogs` is one path where there is such a file.

    Raises:
      UserError: naming `flag`; there is nothing between two commas, or at an end.
    """
    if not text or os.path.exists(text):
        return [text] if text else []
    paths = [part.strip() for part in text.split(",")]
    if not all(paths):
        raise UserError(
            f"{flag}={text!r} has a comma with no path beside it; give paths as A,B. A path that "
            "holds a comma cannot be part of a list: rename it."
        )
    return paths


def check_listable(path: str | os.PathLike[str], flag: str) -> None:
    """Raises UserError for a new directory whose name no list could hold."""
    name = os.path.basename(os.path.abspath(path))
    if "," in name or name != name.strip():
        raise UserError(
            f"{flag}={os.fspath(path)!r}: {name!r} holds a comma, or a blank at an end, so that no "
            "list of data sets (--data=A,B) could name it. Give another name."
        )
