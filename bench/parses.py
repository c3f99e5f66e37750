"""What it costs to parse a DAG file: in the DAG processor, and at the start of each task."""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench import arms, projects

PROBE = Path(__file__).with_name("probes") / "parse.py"
#: The arms whose DAG has a task per node; LOCAL's parse is VIRTUALENV's.
ARMS = ("noop", "ours", "virtualenv")


class ParseFailed(Exception):
    """A DAG file did not parse; the text holds what Python said."""


def jobs(dags: Path, sizes: list[int], wanted: list[str], samples: int) -> list[dict[str, Any]]:
    """Return what to parse, interleaved: `mode` dag (as the DAG processor) and task (as a worker for one task).

    At 5,000 models what is the same in both modes is parsed once for a task.
    """
    found = []
    for size in sizes:
        for number in range(samples):
            for arm, mode in [(arm, mode) for arm in ARMS if arm in wanted for mode in ("dag", "task")]:
                if mode == "task" and arm != "ours" and size > 1000 and number:
                    continue
                name = arms.dag_id(arm, size)
                job = {"file": str(dags / f"{name}.py"), "dag_id": name, "arm": arm, "size": size, "mode": mode}
                if mode == "task":
                    job["task_id"] = f"dbt.{projects.name(size, 1, 0)}.run"
                found.append(job)
    return found


def probe(python: Path, env: dict[str, str], wanted: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Parse DAG files, each in a process of its own (see probes/parse.py); give one result after the other.

    Raises ParseFailed.
    """
    with tempfile.TemporaryFile("w+") as said:
        with subprocess.Popen(
            [str(python), str(PROBE)], env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=said, text=True
        ) as process:
            assert process.stdin
            assert process.stdout
            process.stdin.write(json.dumps(wanted))
            process.stdin.close()
            for job, line in zip(wanted, process.stdout, strict=False):
                about = {key: job[key] for key in ("arm", "size", "mode") if key in job}
                yield about | {k: round(v, 4) if isinstance(v, float) else v for k, v in json.loads(line).items()}
        said.seek(0)
        if process.returncode:
            raise ParseFailed(said.read()[-2000:])
