"""How to apply a release: what a caller may choose."""

from collections.abc import Collection
from dataclasses import dataclass

from mwaactl.release.steps import Show

#: Checks that a caller may leave out, by name.
DAG_IMPORTS, SECRETS, MANIFESTS = "dag-imports", "secrets", "manifests"
CHECKS = (DAG_IMPORTS, SECRETS, MANIFESTS)


@dataclass(frozen=True)
class How:
    """How to apply.

    `skip` are the CHECKS to leave out; `take_over` allows what `ownership` refuses; `replacement` is FORCED, GRACEFUL
    or None (as gentle as MWAA allows); `pause` the seconds between two stages (None: as the sync needs);
    `verify` whether to end with the proof that it runs; `take_back` whether a release that fails it is taken back;
    `show` draws the steps in place of stderr.
    """

    skip: Collection[str] = ()
    take_over: bool = False
    replacement: str | None = None
    pause: float | None = None
    verify: bool = True
    take_back: bool = True
    show: Show | None = None
