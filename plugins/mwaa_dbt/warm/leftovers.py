"""Takes away what servers that were killed left in the private folder. Standard library only."""

from __future__ import annotations

import fcntl
import os
import shutil
import socket
import time
from pathlib import Path

OLD = 24 * 3600.0  # seconds after which a configuration that nobody used is forgotten


def remove(folder: Path) -> None:
    """Remove sockets that nobody listens to, unfinished parses, and what is known of configurations of yesterday.

    Whoever starts a server holds its lock, so what is locked is left alone. The locks themselves stay: somebody may be
    about to take one, and they are empty.
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
