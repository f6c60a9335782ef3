"""A disk that takes no new file, also for the superuser, whom permissions do not stop."""

import os

_open = os.open


def refuse_new_files(path, flags, *arguments, **options):
    """Takes the place of `os.open`."""
    if flags & os.O_CREAT:
        raise PermissionError(13, "Permission denied", path)
    return _open(path, flags, *arguments, **options)
