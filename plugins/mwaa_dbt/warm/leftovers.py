"""Takes away what servers and tasks that were killed left behind. Standard library only."""

from __future__ import annotations

import fcntl
import os
import shutil
import socket
import tempfile
import time
from pathlib import Path

UNUSED = 30.0  # seconds without a request after which a server may be given up for another
OLD = 24 * 3600.0  # seconds after which a configuration that nobody used is forgotten
WORKSPACE = "mwaa-dbt-"  # how the directory of a task's command begins (operators.py)
WORKSPACE_OLD = 7 * OLD  # no command runs so long


def remove(folder: Path) -> None:
    """Remove sockets that nobody listens to, unfinished parses, what is known of configurations of yesterday, and the
    directories of commands of last week.

    Whoever starts a server holds its lock, so what is locked is left alone. The locks themselves stay: somebody may be
    about to take one, and they are all but empty.
    """
    for path in folder.glob("*.lock"):
        lock = os.open(path, os.O_RDWR)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            continue
        else:
            _remove(folder, path.stem)
        finally:
            os.close(lock)
    for path in Path(tempfile.gettempdir()).glob(f"{WORKSPACE}*"):
        try:
            found = path.lstat()
        except FileNotFoundError:
            continue
        if found.st_uid == os.getuid() and time.time() - found.st_mtime > WORKSPACE_OLD:
            shutil.rmtree(path, ignore_errors=True)


def give_up_one(folder: Path) -> bool:
    """Have the server that was asked for longest ago end, if that is `UNUSED` seconds ago; say whether there was one.

    Only its socket is removed: a server without one ends (server.py), and so do its children, each with its command.
    """
    found = []
    for path in folder.glob("*.sock"):
        try:
            found.append((path.stat().st_mtime, path))
        except FileNotFoundError:
            continue
    asked, oldest = min(found, default=(time.time(), folder))
    if time.time() - asked < UNUSED:
        return False
    oldest.unlink(missing_ok=True)
    return True


def _remove(folder: Path, base: str) -> None:
    for path in folder.glob(f"{base[:12]}*.sock"):
        if _is_dead(path):
            path.unlink(missing_ok=True)
    shutil.rmtree(folder / f"{base}.parse", ignore_errors=True)
    if any(folder.glob(f"{base[:12]}*.sock")):
        return
    for ending in (".names", ".names.tmp", ".failed", ".tmp"):
        path = folder / f"{base}{ending}"
        try:
            if time.time() - path.stat().st_mtime > OLD:
                path.unlink()
        except FileNotFoundError:
            continue


def _is_dead(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(5)
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            return True
        except OSError:
            return False
    return False
