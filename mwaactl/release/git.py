"""What git says about the checkout that a release is made from."""

import subprocess
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Checkout:
    """The commit of a checkout, and whether files of it are changed; no commit without git."""

    source: Path
    commit: str | None
    dirty: bool = False

    def contains(self, commit: str) -> bool | None:
        """Return whether this checkout's history has `commit`; None when git doesn't know that commit here."""
        if _git(self.source, "cat-file", "-e", f"{commit}^{{commit}}") is None:
            return None
        return _git(self.source, "merge-base", "--is-ancestor", commit, "HEAD") is not None


def checkout(source: Path) -> Checkout:
    """Return what git says about `source`."""
    commit = _git(source, "rev-parse", "--verify", "HEAD")
    if not commit:
        return Checkout(source, None)
    return Checkout(source, commit, bool(_git(source, "status", "--porcelain", "--", ".")))


def _git(source: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(source), *arguments],  # noqa: S607 - the user's own git
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=60,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
