"""Results that haven't reached the bucket, in files of this worker. Standard library only.

A task puts a file there before dbt starts, saying that its result was lost, and holds a lock on it; when the result is
known the file says that; when the bucket has it, the file goes. A task that dies, or can't reach the bucket, leaves
its file without a lock to the next task on the worker, which sends it.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mwaa_dbt.history.place import Place
from mwaa_dbt.warm.identity import private_folder

_ENDING = ".jsonl"


@dataclass(frozen=True)
class Letter:
    """What is to be written to the bucket: a key, and the object's content."""

    key: str
    body: bytes

    def dumps(self) -> bytes:
        """Return the file that `loads` reads."""
        head = {"key": self.key, "sha256": hashlib.sha256(self.body).hexdigest()}
        return json.dumps(head).encode() + b"\n" + self.body

    @classmethod
    def loads(cls, content: bytes) -> Letter:
        """Return the letter in a file's content.

        Raises:
            ValueError: if the file is damaged.
        """
        line, _, body = content.partition(b"\n")
        head = json.loads(line)
        if not isinstance(head, dict) or head.get("sha256") != hashlib.sha256(body).hexdigest():
            raise ValueError("its checksum is not that of its content")
        return cls(str(head["key"]), body)


class Slip:
    """One letter in the folder, locked by this process until `remove` or `release`, or the process' end."""

    def __init__(self, path: Path, fd: int) -> None:
        self.path = path
        self._fd = fd

    def write(self, letter: Letter) -> None:
        """Put `letter` in the place of what the file holds, at once or not at all. Raises OSError."""
        fd, temporary = tempfile.mkstemp(dir=self.path.parent, prefix=".")
        try:
            with os.fdopen(os.dup(fd), "wb") as file:
                file.write(letter.dumps())
            fcntl.flock(fd, fcntl.LOCK_EX)
            os.replace(temporary, self.path)  # noqa: PTH105 - of a text
        except BaseException:
            os.close(fd)
            with contextlib.suppress(OSError):
                os.unlink(temporary)  # noqa: PTH108
            raise
        self.release()
        self._fd = fd

    def read(self) -> Letter:
        """Return what the file holds. Raises ValueError if it is damaged, OSError."""
        return Letter.loads(self.path.read_bytes())

    def remove(self) -> None:
        """Remove the file: the bucket has it."""
        self.path.unlink(missing_ok=True)
        self.release()

    def release(self) -> None:
        """Leave the file to others."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def folder(place: Place, endpoint: str) -> Path:
    """Return the folder of results for `place`, made if need be, of this user alone.

    Raises:
        OSError: if it can't be made.
        UnservedError: if somebody else could read it.
    """
    whose = f"{endpoint} {place} {os.environ.get('AIRFLOW_HOME', '')}"
    path = private_folder() / "history" / hashlib.sha256(whose.encode()).hexdigest()[:16]
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    return path


def new(where: Path, name: str, letter: Letter) -> Slip:
    """Put `letter` into the folder under `name`, locked. Raises OSError."""
    slip = Slip(where / f"{name}{_ENDING}", -1)
    slip.write(letter)
    return slip


def leftovers(where: Path) -> Iterator[Slip]:
    """Yield, locked, what tasks left that died or couldn't send it, oldest first."""
    for path in sorted(where.glob(f"*{_ENDING}"), key=_age):
        try:
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            continue
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            still = os.path.samestat(os.fstat(fd), path.stat())
        except OSError:  # its task is at work, or another one sends it, or has sent it
            still = False
        if still:
            yield Slip(path, fd)
        else:
            os.close(fd)


def _age(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0
