"""Results as history keeps them: one JSON object per node and try. Standard library only.

docs/history.md lists the fields, infra/history.yaml declares them to Athena; tests keep the three alike.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

FORMAT = 1
#: Statuses of our own: ended by a person or Airflow; no word of dbt's was ever heard.
KILLED, LOST = "killed", "lost"
#: What dbt and Airflow call failed; `killed` and `lost` count as well.
FAILED = ("error", "fail", "runtime error", KILLED, LOST)
_UNTOUCHED = ("success", "pass", "warn", "no-op")
#: Characters that are kept of a message.
_MESSAGE = 4000


@dataclass(frozen=True)
class Try:
    """What is known of a task try before dbt runs.

    `facts` are fields that all of its results share; `node_ids` the nodes that it is about; `checksum` gives a node's.
    """

    key: str
    try_id: str
    started: datetime
    facts: dict[str, Any]
    node_ids: tuple[str, ...] = ()
    checksum: Callable[[str], str | None] = field(default=lambda _: None)

    def results(
        self, said: Iterable[dict[str, Any]], ended: datetime, otherwise: tuple[str, str], *, killed: bool = False
    ) -> list[dict[str, Any]]:
        """Return the records of this try.

        Args:
            said: `results` of run_results.json or sources.json.
            ended: when the task had nothing more to do.
            otherwise: status and message where dbt said nothing of a node, or of none.
            killed: whether the task was ended; what wasn't finished then is called so.
        """
        found = [self._of(one, killed) for one in said]
        if not found:
            status, message = otherwise
            whom: list[str | None] = list(self.node_ids[:1]) if self.facts["command"] == "test" else list(self.node_ids)
            # A test task that never came to its tests is one failure, whatever it would have tested.
            found = [self._of({"unique_id": n, "status": status, "message": message}, False) for n in whom or [None]]
        seconds = max((ended - self.started).total_seconds(), 0.0)
        share = _shares([one["execution_seconds"] or 0.0 for one in found])
        for one, part in zip(found, share, strict=True):
            one["task_seconds"] = round(seconds, 3)
            one["worker_seconds"] = round(seconds * part, 3)
            one["recorded_at"] = _iso(ended)
        return found

    def _of(self, said: dict[str, Any], killed: bool) -> dict[str, Any]:
        unique_id = said.get("unique_id")
        status = str(said.get("status") or "")
        response = said.get("adapter_response") or {}
        times = {one.get("name"): one for one in said.get("timing") or ()}
        execute = times.get("execute") or {}
        compile_ = times.get("compile") or {}
        sql = said.get("compiled_code")
        return {
            "format": FORMAT,
            "result_id": f"{self.try_id}/{unique_id or '-'}",
            "key": self.key,
            "node": unique_id,
            "resource_type": str(unique_id).partition(".")[0] if unique_id else None,
            "name": name_of(unique_id) if unique_id else None,
            "checksum": self.checksum(unique_id) if unique_id else None,
            "status": KILLED if killed and status not in _UNTOUCHED else status,
            "message": (str(said.get("message") or "") or _freshness(said))[:_MESSAGE],
            "failures": said.get("failures"),
            "rows": _number(response.get("rows_affected")),
            "bytes": _number(response.get("bytes_billed") or response.get("bytes_processed")),
            "query_id": response.get("query_id") or response.get("job_id"),
            "relation": said.get("relation_name"),
            "started_at": execute.get("started_at") or compile_.get("started_at") or _iso(self.started),
            "completed_at": execute.get("completed_at") or compile_.get("completed_at"),
            "execution_seconds": said.get("execution_time"),
            "compiled_sql": hashlib.sha256(sql.encode()).hexdigest() if sql else None,
            "try_started_at": _iso(self.started),
            **self.facts,
        }


def said_in(target_path: Path) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Return results and metadata of the artifact in `target_path`; nothing where there is none, or half of one."""
    for name in ("run_results.json", "sources.json"):
        try:
            content = json.loads((target_path / name).read_text(encoding="utf-8"))
            return list(content["results"]), dict(content.get("metadata") or {})
        except (OSError, ValueError, KeyError, TypeError):
            continue
    return [], {}


def compiled(said: Iterable[dict[str, Any]]) -> dict[str, str]:
    """Return compiled SQL by its hash."""
    texts = (one.get("compiled_code") for one in said)
    return {hashlib.sha256(text.encode()).hexdigest(): text for text in texts if text}


def dumps(records: Iterable[dict[str, Any]]) -> bytes:
    """Return `records` as JSON lines."""
    return b"".join(json.dumps(one, ensure_ascii=False, default=str).encode() + b"\n" for one in records)


def name_of(unique_id: str) -> str:
    """Return the name people call a node by."""
    kind, _, rest = unique_id.partition(".")
    name = rest.partition(".")[2]
    return name.split(".")[0] if kind == "test" else name or rest


def _shares(seconds: list[float]) -> list[float]:
    total = sum(seconds)
    return [one / total for one in seconds] if total else [1 / len(seconds)] * len(seconds)


def _number(value: Any) -> int | None:
    try:
        return int(value)
    except (TypeError, ValueError):
        return None


def _freshness(said: dict[str, Any]) -> str:
    if said.get("error"):
        return str(said["error"])
    seconds = said.get("max_loaded_at_time_ago_in_s")
    return "" if seconds is None else f"newest row of {said.get('max_loaded_at')}, {float(seconds):.0f} s before"


def _iso(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
