"""up, down, status: what the command line does to an environment."""

import contextlib
import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass, field
from typing import Any

import psutil

from mwaactl.errors import FAILED, INTERRUPTED, NOT_RUNNING, Problem
from mwaactl.local import components, health, ports, progress, scratch
from mwaactl.local.api import Api
from mwaactl.local.layout import Layout
from mwaactl.local.state import exclusive, read_json, supervisor


@dataclass
class Status:
    """What an environment looks like now."""

    phase: str
    since: float = 0.0
    urls: dict[str, str] = field(default_factory=dict)
    components: dict[str, dict[str, Any]] = field(default_factory=dict)
    dags: list[dict[str, Any]] = field(default_factory=list)
    import_errors: list[dict[str, Any]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    error: dict[str, str] | None = None
    memory_mb: int = 0

    @property
    def healthy(self) -> bool:
        """True when the environment is up, every component gave a sign of life and every DAG file could be imported."""
        alive = all(component["healthy"] for component in self.components.values())
        return self.phase == "ready" and alive and not self.import_errors


def up(layout: Layout) -> Status:
    """Start the environment unless it runs, bring the project into it, and return its status then.

    Raises Problem when that can't be done. What was started here is ended then, and when it is interrupted, unless
    Airflow is up: whoever has to find out what is wrong with a release can look at it.
    """
    with exclusive(layout):
        state = read_json(layout.state_file)
        running = supervisor(state)
        own = not running or state["phase"] not in ("empty", "ready", "failed", "updating", "starting")
        if not own and str(layout.source) != state["source"]:
            raise Problem(
                f"The environment in {layout.root} runs the project {state['source']}, not {layout.source}.",
                "Stop it first (`mwaactl local down`), or use another directory (--dir).",
            )
        if own:
            _clear(layout, state)
            ports.choose(layout)  # a taken port is said at once, not in a log
            running = _launch(layout)
        try:
            _bring_up(layout, running)
        except KeyboardInterrupt:
            if not own:
                raise
            print("interrupted: stopping what was started", file=sys.stderr)
            _end(layout)
            raise Problem("Interrupted; nothing was left running.", "`make up` starts again.", INTERRUPTED) from None
        except BaseException:
            if own and read_json(layout.state_file).get("phase") != "ready":
                _end(layout)
            raise
    return status(layout)


def _bring_up(layout: Layout, process: psutil.Process) -> None:
    from mwaactl.local import delivery

    asked = time.time()

    def steps_of_the_supervisor() -> list[dict[str, Any]]:
        # Not those of an earlier update, which are there until the supervisor begins the next.
        found = read_json(layout.state_file).get("steps", [])
        return [step for step in found if not step["ended"] or step["ended"] > asked]

    with progress.Steps(steps_of_the_supervisor) as steps:
        while (state := read_json(layout.state_file)).get("phase", "starting") == "starting":
            _ensure_alive(layout, process)
            time.sleep(0.1)
        if "urls" not in state:  # written when all services are up
            error = state.get("error") or {"what": "The environment was stopped while it was starting.", "next": ""}
            raise Problem(error["what"], error["next"])
        delivery.deliver(layout, steps)


def _ensure_alive(layout: Layout, process: psutil.Process) -> None:
    if process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
        return
    error = read_json(layout.state_file).get("error")
    if error:
        raise Problem(error["what"], error["next"])
    lines = (layout.logs / "supervisor.log").read_text(errors="replace").splitlines()[-10:]
    raise Problem("The environment ended while it was starting:\n    " + "\n    ".join(lines), "See `make logs`.")


def _launch(layout: Layout) -> psutil.Popen:
    layout.logs.mkdir(parents=True, exist_ok=True)
    layout.state_file.unlink(missing_ok=True)
    log = layout.logs / "supervisor.log"
    with log.open("wb") as output:
        return psutil.Popen(
            [sys.executable, "-m", "mwaactl.local.supervisor", str(layout.root), str(layout.source)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )


def down(layout: Layout, delete: bool = False) -> bool:
    """End every process of the environment; return whether there was any. `delete` removes its directory, too."""
    with exclusive(layout, wait=5):
        found = _end(layout)
        if delete:
            shutil.rmtree(layout.root, ignore_errors=True)
    return found


def _end(layout: Layout) -> bool:
    state = read_json(layout.state_file)
    running = supervisor(state)
    if running:
        # It ends its children itself, in order; if it hangs, so be it.
        components.end([running], grace=25)
    return _clear(layout, state) or running is not None


def _clear(layout: Layout, state: dict[str, Any]) -> bool:
    """End what a killed supervisor left behind; return whether there was any. This process and its parents stay.

    The processes' temporary directory goes, too: what it knows is of a bucket that went with the supervisor.
    """
    me = psutil.Process()
    sessions = state.get("components", {}).values()
    left = components.leftovers(layout.root, [me.pid, *(p.pid for p in me.parents())], sessions)
    components.end(left, grace=3)
    scratch.remove(layout.scratch)
    return bool(left)


def status(layout: Layout) -> Status:
    """Return what the environment looks like now; its phase is "stopped" when there is none."""
    state = read_json(layout.state_file)
    running = supervisor(state)
    if not running:
        failed = state.get("phase") == "failed"
        return Status("failed" if failed else "stopped", error=state.get("error") if failed else None)
    found = Status(
        state["phase"], since=state["since"], urls=state.get("urls", {}), notes=state["notes"], error=state["error"]
    )
    if state["phase"] in ("ready", "failed"):
        _ask_airflow(found, state)
    members = [running, *running.children(recursive=True)]
    for member in members:
        with contextlib.suppress(psutil.Error):
            found.memory_mb += getattr(member.memory_full_info(), "pss", member.memory_info().rss) // 2**20
    return found


def _ask_airflow(found: Status, state: dict[str, Any]) -> None:
    api = Api(state["urls"]["ui"], timeout=10)
    silent = health.unhealthy(api, 0)
    for name, pid in state["components"].items():
        found.components[name] = {
            "pid": pid,
            "healthy": psutil.pid_exists(pid) and name.replace("-", "_") not in silent,
        }
    if "api-server" in silent:
        found.components.setdefault("api-server", {"pid": None})["healthy"] = False
        return
    found.dags = [
        {"dag_id": dag["dag_id"], "file": dag["relative_fileloc"], "paused": dag["is_paused"]}
        for dag in api.all("/dags", "dags", exclude_stale=True)
    ]
    found.import_errors = health.import_errors(api)


def exit_status(found: Status) -> int:
    """Return the exit status that says what `found` says."""
    if found.phase == "stopped":
        return NOT_RUNNING
    return 0 if found.healthy else FAILED
