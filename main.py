"""The command line: ``python main.py`` lists the commands, ``COMMAND --help`` explains one."""

import sys

from npr_jax.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
