"""``python -m docs.research docs``: makes the pages of the results anew."""

import pathlib
import sys
from collections.abc import Sequence

from docs.research.rebuild import rebuild


def main(arguments: Sequence[str]) -> int:
    """Rebuilds the directory given; the exit status."""
    if len(arguments) != 1 or not pathlib.Path(arguments[0], "results").is_dir():
        print("error: give the directory of the pages, docs, with results in it", file=sys.stderr)
        return 2
    try:
        rebuild(pathlib.Path(arguments[0]))
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
