"""One benchmark from beginning to end: the sections in turn, within the time that was given."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass, replace

from bench import cold_start, dbt_task, parses, projects, runs
from bench.environment import ROOT, Environment
from bench.results import Results
from mwaactl.errors import Problem


@dataclass(frozen=True)
class Plan:
    """What to measure, and in how many minutes."""

    sizes: list[int]
    arms: list[str]
    sections: list[str]
    minutes: float
    quick: bool


class Session:
    """Measures a plan. Whatever fails is noted, and the rest goes on."""

    def __init__(self, plan: Plan, results: Results) -> None:
        self.plan, self.results = plan, results
        self.began = time.monotonic()
        self.environment = Environment(self.told)

    def told(self, what: str) -> None:
        """Say on standard error what happens, with the minutes that have passed."""
        passed = time.monotonic() - self.began
        print(f"{int(passed) // 60:3}:{int(passed) % 60:02}  {what[:150]}", file=sys.stderr, flush=True)

    def left(self) -> float:
        """Return the seconds that are left."""
        return self.plan.minutes * 60 - (time.monotonic() - self.began)

    def prepare(self) -> None:
        """Make projects and virtualenvs, unless an earlier benchmark did; this isn't counted as measuring time."""
        for size in self.plan.sizes:
            projects.generate(ROOT / "dbt", size, self.told)
        self.environment.prepare(self.plan.sizes)
        self.began = time.monotonic()

    def measure(self) -> None:
        """Go through the sections."""
        wanted = [(arm, size) for arm in dict.fromkeys([*self.plan.arms, *parses.ARMS]) for size in self.plan.sizes]
        self.environment.write_dags(wanted)
        for section in ("cold_start", "parse", "task", "runs"):
            if section in self.plan.sections:
                self.told(f"--- {section}")
                try:
                    getattr(self, section)()
                except (Problem, parses.ParseFailed, dbt_task.DbtFailed) as error:
                    self._failed(section, error)

    def _failed(self, what: str, error: Exception) -> None:
        self.told(f"FAILED: {what}: {error}")
        self.results.note(f"{what} failed: {str(error).splitlines()[0] if str(error) else type(error).__name__}")

    def cold_start(self) -> None:
        """Build a worker's dbt virtualenv with nothing cached."""
        found = cold_start.measure(self.environment)
        self.results.add("cold_start", found)
        self.told(f"startup.sh: {found['startup_seconds']} s")

    def parse(self) -> None:
        """Parse the DAG files in turn."""
        environment = self.environment
        # The parse of LOCAL is that of VIRTUALENV.
        chosen = {"virtualenv" if arm == "local" else arm for arm in self.plan.arms}
        wanted = [arm for arm in parses.ARMS if arm in chosen]
        todo = parses.jobs(environment.layout.dags, self.plan.sizes, wanted, 3 if self.plan.quick else 5)
        python = environment.venv / "bin" / "python"
        for found in parses.probe(python, environment.probing(), todo):
            self.results.add("parse", found)
            self.told(f"parse ({found['mode']}) {found['arm']}, {found['size']} models: {found['seconds']:.3f} s")

    def task(self) -> None:
        """Run one dbt command again and again, then several at once to see their memory."""
        profiles = self.environment.layout.root / "profiles"
        venv = self.environment.dbt_venv
        for size in self.plan.sizes:
            folder = ROOT / "dbt" / f"bench_{size}"
            with dbt_task.workspace() as work:
                model = projects.name(size, 1, 0)
                wanted = dbt_task.request(venv, folder, profiles, model, work / "work")
                repetitions = {"warm": 10, "dbt": 1 if self.plan.quick else 5, "plain": 1 if self.plan.quick else 5}
                first = dbt_task.timed(wanted, "warm")
                self.results.add("task", {"size": size, **first, "way": "first"})
                for number in range(10):
                    for way, times in repetitions.items():
                        if number < times:
                            parsed = folder / "target" / "partial_parse.msgpack"
                            found = dbt_task.timed(replace(wanted, target_path=work / f"{way}{number}"), way, parsed)
                            self.results.add("task", {"size": size, **found})
                            self.told(f"dbt run ({way}), {size} models: {found['seconds']:.3f} s")
                if "memory" in self.plan.sections:
                    for way, count in (("warm", 1), ("warm", 4), ("plain", 1), ("plain", 2)):
                        if way == "warm" or (size <= 1000 and not self.plan.quick):
                            usage = dbt_task.memory(wanted, way, count)
                            self.results.add("memory", {"size": size, **usage})
                            self.told(f"memory of {count} ({way}), {size} models: {usage['total_mb']} MB")

    def runs(self) -> None:
        """Run the DAGs round by round until all repetitions are done, or the time is over."""
        plan, environment = self.plan, self.environment
        cases = runs.cases(plan.sizes, plan.arms, plan.quick)
        environment.write_dags(list(dict.fromkeys((case.arm, case.size) for case in cases)))
        try:
            environment.boot(triggerer=any(case.arm == "watcher" for case in cases))
            self._warm_up(cases)
            took: dict[runs.Case, float] = {}
            skipped: set[str] = set()
            for number in range(max((case.repetitions for case in cases), default=0)):
                for case in cases:
                    if number >= case.repetitions:
                        continue
                    if skipped or took.get(case, 20) > self.left():
                        skipped.add(case.label)  # and what follows: arms that are compared should have as many runs
                        continue
                    began = time.monotonic()
                    self._run(case, keep=True)
                    took[case] = time.monotonic() - began
            if skipped:
                self.results.note(f"Fewer runs than planned, for lack of time: {'; '.join(sorted(skipped))}.")
        finally:
            environment.down()

    def _warm_up(self, cases: list[runs.Case]) -> None:
        # Not measured: the scheduler's first run, the start of each warm dbt, the making of stock's virtualenv.
        seen = set()
        for case in cases:
            key = (case.arm, case.size if case.arm in ("noop", "ours") else 0)
            if case.arm in ("noop", "ours", "virtualenv") and key not in seen:
                seen.add(key)
                self._run(replace(case, sample=tuple(projects.sample(case.size, 1, 1))), keep=False)

    def _run(self, case: runs.Case, keep: bool) -> None:
        try:
            found = runs.run(self.environment, case)
        except Problem as error:
            self._failed(case.label, error)
            return
        if keep:
            self.results.add("runs", found)
        what = f"{case.label}: {found['tasks']} tasks, wall {found['wall']} s, worker {found['worker']} s"
        self.told(what if keep else f"warming up: {what}")
