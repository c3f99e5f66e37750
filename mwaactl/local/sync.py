"""What MWAA's agent does on each container: make dags/ equal to the bucket's dags/, every few seconds."""

import hashlib
import logging
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mwaactl.local.bucket import Changes, etags
from mwaactl.local.layout import BUCKET

log = logging.getLogger(__name__)
TEMPORARY = ".sync-"  # begins the names of files that are being written


class DagSync:
    """Keeps one folder equal to the bucket's dags/: new, changed and deleted files, each replaced in one step."""

    def __init__(self, s3: Any, folder: Path, changed: Callable[[], None] = lambda: None) -> None:
        """`changed` is called after each round of `run` that changed something."""
        self._s3 = s3
        self._folder = folder
        self._changed = changed
        #: Where the DAGs are in the bucket (MWAA: DagS3Path), with a slash at its end.
        self.prefix = "dags/"
        self._known: dict[str, str] = {}
        self._lock = threading.Lock()

    def once(self) -> Changes:
        """Bring the folder up to date and return what changed."""
        with self._lock:
            found = etags(self._s3, self.prefix).items()
            there = {key.removeprefix(self.prefix): tag for key, tag in found if key != self.prefix}
            here = self._present()
            changes = Changes()
            for name in sorted(there, key=lambda name: name.endswith(".py")):
                if here.get(name) != there[name]:
                    self._fetch(name)
                    changes.written.append(name)
            for name in sorted(set(here) - set(there)):
                (self._folder / name).unlink(missing_ok=True)
                changes.removed.append(name)
            if changes.removed:
                self._drop_empty_folders()
            self._known = there
            return changes

    def run(self, interval: float, stop: threading.Event) -> None:
        """Sync every `interval` seconds until `stop` is set; a failed round is logged and tried again."""
        while not stop.wait(interval):
            try:
                changes = self.once()
            except Exception:
                if not stop.is_set():
                    log.exception("dags/ could not be synced; next try in %s s", interval)
            else:
                if changes:
                    log.info("dags/: %d written, %d removed", len(changes.written), len(changes.removed))
                    self._changed()

    def _present(self) -> dict[str, str]:
        """Return the files in the folder with the ETag they came with, or their own MD5 when that isn't known."""
        found: dict[str, str] = {}
        for path in self._folder.rglob("*"):
            if path.name.startswith(TEMPORARY) or "__pycache__" in path.parts or not path.is_file():
                continue
            name = path.relative_to(self._folder).as_posix()
            found[name] = self._known.get(name) or hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()
        return found

    def _fetch(self, name: str) -> None:
        target = self._folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        body = self._s3.get_object(Bucket=BUCKET, Key=self.prefix + name)["Body"].read()
        with tempfile.NamedTemporaryFile(dir=target.parent, prefix=TEMPORARY, delete=False) as file:
            file.write(body)
        temporary = Path(file.name)
        temporary.chmod(0o644)
        temporary.replace(target)

    def _drop_empty_folders(self) -> None:
        for folder in sorted((p for p in self._folder.rglob("*") if p.is_dir()), reverse=True):
            if folder.name == "__pycache__":
                orphans = [p for p in folder.iterdir() if not (folder.parent / f"{p.name.split('.')[0]}.py").exists()]
                for path in orphans:
                    path.unlink()
            if not any(folder.iterdir()):
                folder.rmdir()
