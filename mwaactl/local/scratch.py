"""The temporary directory of an environment's processes: sockets, locks, history's copy and spool."""

import os
import shutil
import stat
from pathlib import Path

from mwaactl.errors import Problem


def make(folder: Path) -> None:
    """Make `folder`, for this user alone, unless it is there. Raises Problem if somebody else could use it."""
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise Problem(
            f"{folder} must be a directory of this user alone (mode 0700).",
            "Remove it, or have its owner remove it, then `make up` again.",
        )


def remove(folder: Path) -> None:
    """Remove `folder` with all that is in it. A link, and what is another user's, stays."""
    shutil.rmtree(folder, ignore_errors=True)
