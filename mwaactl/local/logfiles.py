"""Reading the components' logs."""

import time
from collections import deque
from collections.abc import Iterator
from io import BufferedReader
from pathlib import Path

from mwaactl.errors import NOT_RUNNING, Problem


def lines(folder: Path, component: str | None, last: int, follow: bool) -> Iterator[str]:
    """Yield the `last` lines of each log in `folder` (or of one component's), then, with `follow`, each new line.

    Lines of several logs begin with the component's name. Raises Problem when there is no such log.
    """
    found = sorted(folder.glob(f"{component or '*'}.log"))
    if not found:
        names = ", ".join(path.stem for path in sorted(folder.glob("*.log")))
        next_step = f"Choose one of {names}." if names else "Start it with `make up`."
        raise Problem(f"There is no log {component or ''} in {folder}.", next_step, NOT_RUNNING)
    opened: list[tuple[str, BufferedReader]] = []
    for path in found:
        file = path.open("rb")
        prefix = "" if component else f"{path.stem:<16} "
        yield from (prefix + _text(line) for line in deque(file, maxlen=last))
        opened.append((prefix, file))
    while follow:
        for prefix, file in opened:
            for line in file:
                yield prefix + _text(line)
        time.sleep(0.3)


def _text(line: bytes) -> str:
    return line.decode(errors="replace").rstrip("\n")
