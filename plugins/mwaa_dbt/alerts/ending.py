"""How a run ended, as an event of its own: counts, what recovered, warnings, and what else must be said."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from mwaa_dbt.alerts import text
from mwaa_dbt.alerts.text import Block, escape, section

#: States as they are counted for people, in this order.
STATES = (
    ("success", "succeeded"),
    ("failed", "failed"),
    ("upstream_failed", "not run because of that"),
    ("skipped", "skipped"),
)


@dataclass(frozen=True)
class Told:
    """A line for one channel (empty: the environment's): what recovered, or what warned."""

    channel: str
    line: str


@dataclass(frozen=True)
class Ending:
    """The end of one run. `counts` are tasks by state; `at` is when it ended, in milliseconds."""

    dag_id: str
    run_id: str
    at: int
    success: bool
    counts: dict[str, int] = field(default_factory=dict)
    #: Tasks that failed, in this run or before, and have succeeded since.
    mended: tuple[str, ...] = ()
    still: tuple[Told, ...] = ()
    recovered: tuple[Told, ...] = ()
    warned: tuple[Told, ...] = ()
    silenced: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    #: What a run that is told of in any case says beside its counts.
    facts: tuple[str, ...] = ()
    #: Whether the environment's channel hears of it though there is no thread.
    loud: bool = False

    @property
    def id(self) -> str:
        """What is told once."""
        return f"end#{self.at}"

    @classmethod
    def of(cls, fields: dict[str, Any]) -> Ending:
        """Return the ending of `fields`, parsed JSON."""
        lists = {name: tuple(fields.get(name) or ()) for name in ("mended", "silenced", "notes", "facts")}
        told = {name: tuple(Told(**one) for one in fields.get(name) or ()) for name in ("recovered", "still", "warned")}
        return cls(**{**fields, **lists, **told})

    def fields(self) -> dict[str, Any]:
        """Return what `of` reads."""
        return dataclasses.asdict(self)

    def channels(self) -> set[str]:
        """Return the channels that hear of it even without a thread of the run (empty: the environment's)."""
        found = {told.channel for told in (*self.recovered, *self.warned)}
        return found | ({""} if self.loud else set())

    @property
    def headline(self) -> dict[str, str]:
        """Return icon and text of the thread's first line."""
        if not self.success:
            return {"icon": ":red_circle:", "text": f"failed: {self.count_words}"}
        if self.recovered:
            return {"icon": ":large_green_circle:", "text": f"recovered: {self.count_words}"}
        return {"icon": ":large_yellow_circle:" if self.warned else ":large_green_circle:", "text": self.count_words}

    @property
    def count_words(self) -> str:
        """Return the counts as a person says them."""
        words = [f"{self.counts[state]} {word}" for state, word in STATES if self.counts.get(state)]
        return ", ".join(words) or ("succeeded" if self.success else "failed")

    @property
    def summary(self) -> str:
        """Return one line: what notifications show."""
        return f"{self.dag_id} {'succeeded' if self.success else 'failed'}: {self.count_words}"

    def blocks(self, belongs: Callable[[str], bool], in_thread: bool) -> list[Block]:
        """Return the message for the channels that `belongs` accepts; a reply needn't name the run."""
        icon = self.headline["icon"]
        which = "The run" if in_thread else f"*{escape(self.dag_id)}* · run `{escape(self.run_id)}`"
        blocks = [section(f"{icon} {which} *{'succeeded' if self.success else 'failed'}*: {self.count_words}")]
        if self.facts:
            blocks.append(section(_lines(list(self.facts))))
        for title, lines in (
            (":large_green_circle: *Recovered*", [told.line for told in self.recovered if belongs(told.channel)]),
            (":repeat: *Still failing*", [told.line for told in self.still if belongs(told.channel)]),
            (":large_yellow_circle: *Warnings*", [told.line for told in self.warned if belongs(told.channel)]),
            (":no_bell: *Silenced*", list(self.silenced)),
            (":warning: *To be corrected*", list(self.notes)),
        ):
            if lines:
                blocks.append(section(f"{title}\n{_lines(lines)}"))
        return blocks


def _lines(lines: list[str]) -> str:
    kept: list[str] = []
    length = 0
    for line in lines:
        shown = f"• {text.cut(escape(line), 600)}"
        length += len(shown) + 1
        if length > text.MAX_SECTION:
            return "\n".join([*kept, f"and {len(lines) - len(kept)} more"])
        kept.append(shown)
    return "\n".join(kept)
