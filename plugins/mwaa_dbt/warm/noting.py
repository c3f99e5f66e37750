"""Parses a project for a release, and notes what parsing read of the connection (deployed.py). Inside dbt's virtualenv.

    python noting.py NOTE parse --profile shop --target prod ...        (see mwaactl/target_parse.py)

Exit status 3: the profile can't be used, which says nothing about the project.
"""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from deployed import ALL, ALWAYS

NO_PROFILE = 3


class Noting(dict[str, Any]):
    """`target` as the project sees it while it is parsed; notes what is asked for."""

    def __init__(self, target: dict[str, Any], asked: set[str]) -> None:
        super().__init__(target)
        self._asked = asked

    def __getitem__(self, name: str) -> Any:
        self._asked.add(name)
        return super().__getitem__(name)

    def get(self, name: str, default: Any = None) -> Any:
        """As dict.get, noted."""
        self._asked.add(name)
        return super().get(name, default)

    def __contains__(self, name: object) -> bool:
        self._asked.add(str(name))
        return super().__contains__(name)


def _whole(name: str) -> Callable[..., Any]:
    def method(self: Noting, *args: Any, **kwargs: Any) -> Any:
        self._asked.add(ALL)
        return getattr(dict, name)(self, *args, **kwargs)

    return method


for _name in ("__iter__", "__len__", "__eq__", "__ne__", "__or__", "__ror__", "__repr__", "__reversed__"):
    setattr(Noting, _name, _whole(_name))
for _name in ("keys", "values", "items", "copy", "pop", "popitem", "setdefault", "update"):
    setattr(Noting, _name, _whole(_name))


def _watch(credentials: Any, asked: set[str], parsing: Callable[[], bool]) -> None:
    """Note what the adapter asks of its connection while it helps to parse, as `adapter.external_root()` does."""
    kind = type(credentials)
    named = set(credentials._connection_keys())
    fields = {field.name for field in dataclasses.fields(credentials)} - set(ALWAYS)

    class Watched(kind):  # type: ignore[misc, valid-type]
        def __getattribute__(self, name: str) -> Any:
            if name in fields and parsing():
                asked.add(name if name in named else ALL)
            return super().__getattribute__(name)

    credentials.__class__ = Watched


def make(note: Path, arguments: list[str]) -> int:
    """Run `dbt parse` with these arguments, write the note; return the exit status."""
    from dbt.cli import requires
    from dbt.cli.main import dbtRunner
    from dbt.config.profile import Profile
    from dbt.parser.manifest import ManifestLoader

    asked: set[str] = set()
    targets: list[dict[str, Any]] = []
    profiles: list[Any] = []
    parsing = False
    original, load_profile, load = Profile.to_target_dict, requires.load_profile, ManifestLoader.load

    def noted_target(self: Any) -> Noting:
        nonlocal parsing
        before, parsing = parsing, False  # it is made of all that the connection has
        targets.append(original(self))
        parsing = before
        return Noting(targets[-1], asked)

    def noted_profile(*args: Any, **kwargs: Any) -> Any:
        profiles.append(load_profile(*args, **kwargs))
        _watch(profiles[-1].credentials, asked, lambda: parsing)
        return profiles[-1]

    def noted_load(self: Any) -> Any:
        nonlocal parsing
        parsing = True
        try:
            return load(self)
        finally:
            parsing = False

    Profile.to_target_dict, requires.load_profile, ManifestLoader.load = noted_target, noted_profile, noted_load
    result = dbtRunner().invoke(arguments)
    if not result.success:
        return 1 if profiles else NO_PROFILE
    read = {name: targets[-1].get(name) for name in sorted({*ALWAYS, *asked})}
    note.write_text(json.dumps({"invocation_id": result.result.metadata.invocation_id, "read": read}, default=str))
    return 0


if __name__ == "__main__":
    sys.path.pop(0)  # this directory: its module names are nobody else's business
    sys.exit(make(Path(sys.argv[1]), sys.argv[2:]))
