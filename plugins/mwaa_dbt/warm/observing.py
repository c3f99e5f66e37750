"""What dbt asks for and says while it parses. Runs inside dbt's virtualenv."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

# Said while parsing, but not by parsing: each child says the one itself, and the other isn't true of it.
NOT_REPEATED = {"AdapterRegistered", "UnableToPartialParse"}


class RecordingEnv(dict[str, str]):
    """The environment as dbt sees it while it parses; remembers what was asked for, and what for."""

    def __init__(self, env: Mapping[str, str]) -> None:
        super().__init__(env)
        self.reading = ""  # what dbt reads at the moment: nothing that matters, the profile, the project
        self.names: set[str] = set()
        self.project_names: set[str] = set()

    def _asked(self, name: str) -> None:
        if self.reading:
            self.names.add(name)
        if self.reading == "project":
            self.project_names.add(name)

    def __contains__(self, name: object) -> bool:
        self._asked(str(name))
        return super().__contains__(name)

    def __getitem__(self, name: str) -> str:
        self._asked(name)
        return super().__getitem__(name)

    def get(self, name: str, default: Any = None) -> Any:
        """As dict.get, remembered."""
        self._asked(name)
        return super().get(name, default)


@contextmanager
def patched(owner: Any, **makers: Callable[[Any], Any]) -> Iterator[None]:
    """Replace attributes for a while by what `makers` build from them."""
    originals = {name: getattr(owner, name) for name in makers}
    for name, make in makers.items():
        setattr(owner, name, make(originals[name]))
    try:
        yield
    finally:
        for name, original in originals.items():
            setattr(owner, name, original)


@contextmanager
def lines_of_dbt(events: list[tuple[Any, Any]], reasons: list[str]) -> Iterator[None]:
    """Collect what dbt shows meanwhile: a process that parses anew would show it each time.

    `reasons` takes what dbt says against the parse that it could have taken.
    """
    from dbt_common.events.base_types import EventLevel
    from dbt_common.events.event_manager import EventManager

    def fire_event(original: Callable[..., None]) -> Callable[..., None]:
        def collect(self: Any, e: Any, level: Any = None, *args: Any, **kwargs: Any) -> None:
            shown = (level or e.level_tag()) in (EventLevel.INFO, EventLevel.WARN, EventLevel.ERROR)
            if type(e).__name__ == "UnableToPartialParse":
                reasons.append(e.reason)
            if shown and type(e).__name__ not in NOT_REPEATED:
                events.append((e, level))
            original(self, e, level, *args, **kwargs)

        return collect

    with patched(EventManager, fire_event=fire_event):
        yield


@contextmanager
def files_parsed(counts: list[tuple[int, int]]) -> Iterator[None]:
    """Collect how many files a project has, and how many of them dbt parsed."""
    from dbt.parser.manifest import ManifestLoader

    def track(original: Callable[..., None]) -> Callable[..., None]:
        def counted(self: Any) -> None:
            counts.append((self._perf_info.path_count, self._perf_info.parsed_path_count))
            original(self)

        return counted

    with patched(ManifestLoader, track_project_load=track):
        yield
