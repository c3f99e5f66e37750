"""Releases to an MWAA environment's bucket: planned, checked, applied, verified, taken back.

`apply`, `plan` and `rollback` are what others call; the modules are imported when they are.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mwaactl.environments import Environment
    from mwaactl.release.applying import Applied
    from mwaactl.release.how import How
    from mwaactl.release.planning import Plan


def plan(environment: Environment, source: Path, replacement: str | None = None) -> Plan:
    """Return what a release of the project at `source` would change. Writes nothing; raises Problem."""
    from mwaactl.release import planning

    return planning.plan(environment, planning.wanted(environment, source), replacement=replacement)


def apply(environment: Environment, source: Path, how: How | None = None) -> Applied:
    """Release the project at `source` to `environment` (see `applying.apply`). Raises Problem."""
    from mwaactl.release import applying

    return applying.apply(environment, source, how)


def rollback(environment: Environment, release: str | None = None, how: How | None = None) -> Applied:
    """Bring back an earlier release (see `rolling_back.rollback`). Raises Problem."""
    from mwaactl.release import rolling_back

    return rolling_back.rollback(environment, release, how)
