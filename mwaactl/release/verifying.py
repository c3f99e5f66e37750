"""verify: what runs is what was released. MWAA says AVAILABLE even when requirements.txt could not be installed."""

import time
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from mwaactl.environments import Environment
from mwaactl.errors import Problem
from mwaactl.release import differences
from mwaactl.release.objects import Bucket
from mwaactl.release.record import Record
from mwaactl.release.rest import Rest, RestError
from mwaactl.release.steps import Steps, bar

#: Seconds within which Airflow must have parsed what was released: a sync, a look for new files, a turn of each file.
LIMIT = 900.0
INTERVAL, LOCAL_INTERVAL = 5.0, 0.5
_SHOWN = 5
_LINES = 8


@dataclass(frozen=True)
class Verdict:
    """What was found: problems in words (none: it runs), the DAGs that were asked for, the objects that were read."""

    problems: tuple[str, ...]
    dags: int
    objects: int
    reread: int

    @property
    def good(self) -> bool:
        """Whether what runs is what was released."""
        return not self.problems

    def as_record(self) -> dict[str, Any]:
        """Return it as release records keep it."""
        return {
            "good": self.good,
            "problems": list(self.problems),
            "at": datetime.now(UTC).isoformat(timespec="seconds"),
        }


class Verification:
    """The proof of releases of one environment."""

    def __init__(self, environment: Environment) -> None:
        self._environment = environment

    def run(
        self,
        record: Record,
        steps: Steps,
        reread: Collection[str] | None = None,
    ) -> Verdict:
        """Return the verdict on `record`; waits up to LIMIT seconds for Airflow to parse what is new.

        `reread` are the objects whose content is read again and hashed (None: all); the others are compared by the ETag
        that S3 gave them. Raises Problem when AWS can't be asked.
        """
        bucket = Bucket(self._environment)
        with steps.step("verify") as told:
            with ThreadPoolExecutor(1) as pool:
                reading = pool.submit(differences.of_objects, bucket, record, reread)
                every = LOCAL_INTERVAL if self._environment.is_local else INTERVAL
                problems = self._dags(record, told, LIMIT, every)
                problems += reading.result()
            problems += differences.of_environment(self._environment, record)
        count = len(record.files if reread is None else reread)
        return Verdict(tuple(problems), len(record.dags), len(record.files), count)

    def _dags(self, record: Record, told: Callable[[str], None], limit: float, interval: float) -> list[str]:
        rest = Rest(self._environment)
        deadline = time.monotonic() + limit
        while True:
            try:
                final, waiting = self._look(rest, record)
            except RestError as error:
                if not error.temporary:
                    raise
                final, waiting = [], [f"Airflow's API does not answer: {error.what}"]
            if final or not waiting:
                return final
            if time.monotonic() > deadline:
                return [*waiting[:_SHOWN], *([f"and {len(waiting) - _SHOWN} more"] if len(waiting) > _SHOWN else [])]
            told(f"{bar(len(record.dags) - min(len(waiting), len(record.dags)), len(record.dags))} {waiting[0]}")
            time.sleep(interval)

    def _look(self, rest: Rest, record: Record) -> tuple[list[str], list[str]]:
        """Return what is wrong for good, and what may still come right."""
        final: list[str] = []
        waiting: list[str] = []
        for error in rest.all("/importErrors", "import_errors"):
            lines = "\n      ".join(str(error.get("stack_trace", "")).strip().splitlines()[-_LINES:])
            words = f"{error.get('filename')} can't be imported:\n      {lines}"
            (final if _seen(error.get("timestamp"), record.since) else waiting).append(words)
        there = {dag["dag_id"]: dag for dag in rest.all("/dags", "dags", {"exclude_stale": False})}
        for dag_id, file in sorted(record.dags.items()):
            dag = there.get(dag_id)
            if dag is None:
                waiting.append(f"{dag_id} ({file}) is not there")
            elif dag.get("is_stale"):
                waiting.append(f"{dag_id} ({file}) is stale")
            elif not _seen(dag.get("last_parsed_time"), record.since):
                waiting.append(
                    f"{dag_id} ({file}) was not parsed since the release (last {dag.get('last_parsed_time')})"
                )
        return final, waiting


def _seen(stamp: Any, since: str | None) -> bool:
    """Whether something that Airflow did at `stamp` was done with the release's files, which are there `since`."""
    if since is None:  # a record from before mwaactl noted it
        return True
    if not stamp:
        return False
    moment = datetime.fromisoformat(str(stamp).replace("Z", "+00:00"))
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)) >= datetime.fromisoformat(since)


def verify(environment: Environment, record: Record, steps: Steps) -> Verdict:
    """Return the verdict on the release in force, every object read again. Raises Problem when AWS can't be asked."""
    if not record.dags:
        raise Problem(
            f"{record.release} was applied without looking at its DAGs, so nobody knows which there should be.",
            "Apply again without --skip dag-imports.",
        )
    return Verification(environment).run(record, steps)
