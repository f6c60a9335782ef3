"""Where uploads lie while they arrive: a folder of this process alone, gone when it ends."""

import contextlib
import os
import pathlib
import shutil
import tempfile
from collections.abc import Iterator

_PREFIX = "npr-jax-serve-"


@contextlib.contextmanager
def private_folder() -> Iterator[pathlib.Path]:
    """Makes the folder the process's place for temporary files, and removes it at the end.

    Folders of servers that were killed are removed first.
    """
    _remove_abandoned()
    folder = pathlib.Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-"))  # mode 700
    before = tempfile.tempdir
    variables = {name: os.environ.get(name) for name in ("TMPDIR", "GRADIO_TEMP_DIR")}
    tempfile.tempdir = str(folder)
    os.environ |= dict.fromkeys(variables, str(folder))
    try:
        yield folder
    finally:
        tempfile.tempdir = before
        for name, value in variables.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value
        shutil.rmtree(folder, ignore_errors=True)


def _remove_abandoned() -> None:
    for folder in pathlib.Path(tempfile.gettempdir()).glob(f"{_PREFIX}*-*"):
        number = folder.name.removeprefix(_PREFIX).partition("-")[0]
        with contextlib.suppress(OSError):
            own = folder.lstat().st_uid == os.getuid() and not folder.is_symlink()
            if own and number.isdecimal() and not _is_running(int(number)):
                shutil.rmtree(folder, ignore_errors=True)


def _is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
