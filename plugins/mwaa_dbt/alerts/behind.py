"""Who couldn't be told in one delivery: an address or a channel that is refused doesn't silence the others."""

from __future__ import annotations

from mwaa_dbt.errors import MwaaDbtError


class Partly(MwaaDbtError):
    """Some of those who are to be told couldn't be; the others were, and go on hearing."""


class Behind:
    """Who couldn't be told now, and why; they hear later, everything in its order."""

    def __init__(self) -> None:
        self._why: dict[str, str] = {}

    def __contains__(self, who: str) -> bool:
        return who in self._why

    def __bool__(self) -> bool:
        return bool(self._why)

    def note(self, who: str, error: Exception) -> None:
        """Keep that `who` couldn't be told because of `error`."""
        self._why[who] = str(error)

    def check(self) -> None:
        """Raise Partly if there is somebody."""
        if self._why:
            raise Partly("; ".join(f"{who or 'default'}: {why}" for who, why in self._why.items()))
