"""What to install where a command needs more than scoring does."""

import contextlib
from collections.abc import Iterator

from input_pipeline.errors import UserError

# Modules of the extra ``train`` in pyproject.toml that this project imports.
TRAIN = ("clu", "cv2", "grain", "jinja2", "matplotlib", "sklearn", "tensorboard", "threadpoolctl")


@contextlib.contextmanager
def extra_named() -> Iterator[None]:
    """Turns a missing library of the extra ``train`` into the command that installs it.

    Raises:
        UserError: where the code inside needs a library of that extra and it is not installed.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        module = (error.name or "").split(".")[0]
        if module not in TRAIN:
            raise
        raise UserError(
            f"this needs {module}, which is not installed; run pip install 'npr-jax[train]'"
        ) from error
