"""What an alert is about: everything that any process needs to tell of it, without Airflow's context."""

from __future__ import annotations

import dataclasses
import hashlib
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote


@dataclass(frozen=True)
class RunKey:
    """One DAG run."""

    dag_id: str
    run_id: str

    @property
    def path(self) -> str:
        """The run's folder in the bucket: both ids, quoted, and cut where S3's 1,024 bytes for a key are in danger."""
        return f"{_key_part(self.dag_id)}/{_key_part(self.run_id)}"


def _key_part(text: str) -> str:
    quoted = quote(text, safe="")
    return quoted if len(quoted) <= 300 else f"{quoted[:260]}-{short_hash(text)}"


def short_hash(text: str) -> str:
    """Return 16 characters that stand for `text` in a key."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


@dataclass(frozen=True)
class FailedTest:
    """A test that failed or warned. `rows` as dbt counted them; `query` shows them."""

    name: str
    message: str
    rows: int | None = None
    query: str = ""


@dataclass(frozen=True)
class Route:
    """Whom an event concerns: an owner, and where they want to hear of it."""

    owner: str = ""
    #: Slack's user or group id.
    mention: str = ""
    #: Slack channel; empty: the environment's.
    channel: str = ""
    mail: tuple[str, ...] = ()
    #: Whether the owners' file was asked for this owner in vain.
    unknown: bool = False


@dataclass(frozen=True)
class Event:
    """A task that failed, or whose tests warned (`kind`: failed, warned). All texts are free of known secrets."""

    kind: str
    dag_id: str
    run_id: str
    task_id: str
    subject: str
    error: str
    map_index: int = -1
    try_number: int = 0
    #: What else tells it from others of the same try: Airflow's id of the task instance, which is new when the run is
    #: deleted and made again; or when somebody saw that nobody had told of the task.
    instance: str = ""
    log_url: str = ""
    file: str = ""
    #: The dbt target that messages name; empty: none.
    target: str = ""
    #: The target that its run is compared by with others (run_target.py); empty: nobody knows it.
    run_target: str = ""
    #: Whether the run's form can't be followed: a person's mistake, over with the run.
    refused: bool = False
    #: Whether the task was tried again, and why (not).
    tries: str = ""
    #: Whether there is no exception: somebody else had to say that the task is gone.
    lost: bool = False
    tests: tuple[FailedTest, ...] = ()
    route: Route = field(default_factory=Route)
    #: Why nobody wants to hear of it; empty: they do.
    silenced: str = ""
    #: What is wrong with the project's own files about alerts, in words.
    problems: tuple[str, ...] = ()

    @property
    def run(self) -> RunKey:
        """The event's DAG run."""
        return RunKey(self.dag_id, self.run_id)

    @property
    def task(self) -> str:
        """The task as Airflow names its states: a mapped one with its index (``GetTaskStates``)."""
        return self.task_id if self.map_index < 0 else f"{self.task_id}_{self.map_index}"

    @property
    def id(self) -> str:
        """What is told once: a task's try."""
        return "#".join(filter(None, (self.task, str(self.try_number), self.instance)))

    def heard(self) -> dict[str, Any]:
        """Return what later messages need to know of it."""
        told = {"subject": self.subject, "channel": self.route.channel, "target": self.run_target}
        return {**told, "refused": True} if self.refused else told

    def fields(self) -> dict[str, Any]:
        """Return what `of` reads."""
        return dataclasses.asdict(self)

    @classmethod
    def of(cls, fields: dict[str, Any]) -> Event:
        """Return the event of `fields`, the parsed JSON."""
        route = fields.get("route") or {}
        return cls(
            **{
                **fields,
                "tests": tuple(FailedTest(**test) for test in fields.get("tests") or ()),
                "route": Route(**{**route, "mail": tuple(route.get("mail") or ())}),
                "problems": tuple(fields.get("problems") or ()),
            }
        )
