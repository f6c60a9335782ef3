"""How a script of this folder ends when what it was given cannot be used."""

import sys
from collections.abc import Callable

from input_pipeline.errors import UserError


def run_script(main: Callable[[], None]) -> None:
    """Calls ``main``; a ``UserError`` or ``OSError`` becomes one line and exit status 2."""
    try:
        main()
    except (UserError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
