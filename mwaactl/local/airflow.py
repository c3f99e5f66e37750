"""Airflow's components of one local environment: started, waited for, started again, ended."""

import logging
import time

import psutil

from mwaactl.errors import Problem
from mwaactl.local import components, health, options
from mwaactl.local.api import Api, ApiError
from mwaactl.local.journal import Journal
from mwaactl.local.layout import Layout

log = logging.getLogger("mwaactl.local")
HEALTH_LIMIT = 420.0  # a component that ends is noticed at once; this is for a machine that has much else to do
RESTARTS = 3  # of one component, until it is given up


class Airflow:
    """The four components and what is known about them. `environments` are their variables, by component."""

    def __init__(self, layout: Layout, journal: Journal, api: Api) -> None:
        self.layout = layout
        self.journal = journal
        self.api = api
        self.running: dict[str, components.Component] = {}
        self.environments: dict[str, dict[str, str]] = {}
        self.restarts: dict[str, int] = {}

    def start(self, environments: dict[str, dict[str, str]]) -> None:
        """Start every component with its variables and wait until all show signs of life.

        Raises Problem when one ends or stays silent.
        """
        self.environments = environments
        with self.journal.step("airflow"):
            began = time.time()
            self.restarts = {}
            for name in components.COMPONENTS:
                self._start(name)
            silent = health.wait(lambda: self._still_silent(began), HEALTH_LIMIT, self._components_alive)
            if silent:
                raise Problem(f"After {HEALTH_LIMIT:.0f} s there is no sign of life of {silent}.", "See `make logs`.")
            self._make_pool()

    def _start(self, name: str) -> None:
        self.running[name] = components.start(self.layout, name, self.environments[name])
        pids = {name: component.process.pid for name, component in self.running.items()}
        self.journal.set(components=pids)

    def _still_silent(self, since: float) -> str:
        # On a port that was taken meanwhile another Airflow may answer, until ours ends for want of it.
        ours = components.listens(self.running["api-server"].process.pid, self.api.port)
        silent = ", ".join(health.unhealthy(self.api, since) if ours else ["api-server"])
        self.journal.task(f"waiting for {silent}" if silent else "")
        return silent

    def _components_alive(self) -> None:
        """Raise Problem when a component ended while it should be starting."""
        for name, component in self.running.items():
            if component.process.poll() is not None:
                path = self.layout.logs / f"{name}.log"
                lines = path.read_text(errors="replace").splitlines()[-10:]
                raise Problem(
                    f"Airflow's {name} ended with status {component.process.returncode}:\n    " + "\n    ".join(lines),
                    f"Read {path}.",
                )

    def _make_pool(self) -> None:
        pool = {"name": options.WAREHOUSE_POOL, "slots": 1, "description": "DuckDB takes one writing process at a time"}
        try:
            self.api.post("/pools", pool)
        except ApiError as error:
            if error.status != 409:
                raise

    def revive(self) -> None:
        """Start again what ended by itself, until it did so too often."""
        for name, component in list(self.running.items()):
            if component.process.poll() is not None:
                self._revive(name, component.process.returncode)

    def _revive(self, name: str, status: int) -> None:
        self.restarts[name] = self.restarts.get(name, 0) + 1
        if self.restarts[name] > RESTARTS:
            del self.running[name]
            what = f"Airflow's {name} ended {self.restarts[name]} times, the last time with status {status}."
            next_step = f"Read {self.layout.logs / f'{name}.log'}, then `make down up`."
            self.journal.set(phase="failed", error={"what": what, "next": next_step})
            return
        log.warning("%s ended with status %s; starting it again", name, status)
        # The workers of a scheduler that was killed go on without it, and the next one starts its own.
        components.end(components.in_sessions([self.running[name].process.pid]), grace=3)
        self._start(name)
        self.journal.set(restarts=self.restarts)

    def pids(self) -> set[int]:
        """Return the process ids of the components."""
        return {component.process.pid for component in self.running.values()}

    def stop(self) -> None:
        """End the components, then whatever their tasks left behind."""
        self.restarts = {}
        mine = [psutil.Process(c.process.pid) for c in self.running.values() if c.process.poll() is None]
        killed = components.end(mine, grace=3)
        for component in self.running.values():
            component.process.wait()
        sessions = self.pids()
        self.running = {}
        below = components.end_descendants()
        rest = components.leftovers(self.layout.root, sessions=sessions)
        components.end(rest, grace=3)
        log.info("airflow stopped; killed %s, below %s, left %s", killed, below, [process.pid for process in rest])
