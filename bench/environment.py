"""Airflow as the benchmark needs it: the local environment's own parts, without bucket, AWS and mail.

SQLite and LocalExecutor, MWAA's versions and configuration options. Connections are environment variables. Each DAG
file is parsed once, so that no parse runs beside a measurement.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path

from bench import arms, projects
from mwaactl.errors import Problem
from mwaactl.local import components, environment, health, options, ports, startup
from mwaactl.local.api import Api, ApiError
from mwaactl.local.layout import REPOSITORY, Layout
from mwaactl.release import contents

ROOT = REPOSITORY / ".local" / "bench"
Told = Callable[[str], None]


class Environment:
    """One Airflow below `root`, started for a benchmark and ended with it."""

    def __init__(self, told: Told, root: Path = ROOT) -> None:
        self.told = told
        self.layout = Layout.of(root, REPOSITORY)
        self.running: list[components.Component] = []
        self.sizes: list[int] = []

    def prepare(self, sizes: list[int]) -> None:
        """Place plugins and scripts, build both virtualenvs unless they are there; `sizes`: of the projects."""
        self.sizes = sizes
        components.end(components.leftovers(self.layout.root), grace=3)  # of a benchmark that was killed
        release = environment.Release(
            contents.plugins_zip(REPOSITORY),
            (REPOSITORY / "requirements.txt").read_bytes(),
            (REPOSITORY / "startup.sh").read_bytes(),
            {},
        )
        environment.place(release, self.layout)
        self.ports = ports.choose(self.layout)
        self.venv, problem = environment.build(release, self.layout, self.told)
        if problem:
            raise problem
        log = self.layout.logs / "startup.log"
        exported = startup.execute(self.container(), self.venv / "bin" / "python", log, self.told)
        self.env = self.variables(exported)
        self.dbt_venv = Path(exported["DBT_VENV_PATH"])
        self.api = Api(f"http://127.0.0.1:{self.ports['ui']}", timeout=300)

    def container(self) -> dict[str, str]:
        """Return the environment of MWAA's worker container, without AWS: no credentials, and no search for any."""
        found = components.container_environment(self.layout, "worker", self.venv, self.ports)
        kept = {name: value for name, value in found.items() if not name.startswith(("AWS_", "AIRFLOW_CONN_"))}
        return {**kept, "AWS_EC2_METADATA_DISABLED": "true"}

    def variables(self, exported: dict[str, str]) -> dict[str, str]:
        """Return the environment of Airflow's processes: MWAA's options, but for what one machine or stock needs."""
        chosen = {k: v for k, v in options.read(REPOSITORY).items() if not k.startswith("secrets.")}
        chosen |= options.overrides(self.layout, self.ports)
        chosen |= {
            "mwaa_dbt.pool": arms.POOL,
            "mwaa_dbt.dbt_root": str(self.layout.root / "dbt"),
            "mwaa_dbt.slack_conn_id": "",
            # No bucket: history would write to a stranger's, or look for credentials in each task and find none.
            "mwaa_dbt.bucket": "",
            "mwaa_dbt.history": "False",
            # Cosmos' default, which the stock arms profit from; ours doesn't look at it.
            "cosmos.enable_cache_partial_parse": "True",
            "cosmos.cache_dir": str(self.layout.root / "cosmos_cache"),
            # The scheduler's pace is MWAA's and Airflow's default; the local environment's is quicker.
            "scheduler.scheduler_idle_sleep_time": "1",
            # Each DAG file is parsed once: not beside a measurement.
            "dag_processor.min_file_process_interval": "86400",
            "core.dagbag_import_timeout": "600",
            "dag_processor.dag_file_processor_timeout": "900",
        }
        memory = json.dumps({"conn_type": "duckdb", "host": ":memory:"})
        connections = {f"AIRFLOW_CONN_BENCH_{size}_DEV": memory for size in self.sizes}
        return {**self.container(), **exported, **options.variables(chosen), **connections}

    def probing(self) -> dict[str, str]:
        """Return the environment of a process that parses DAG files by itself."""
        return {**self.env, "PYTHONPATH": str(self.layout.airflow_home / "plugins")}

    def write_dags(self, wanted: list[tuple[str, int]]) -> None:
        """Write a DAG file for each pair of arm and size, and remove all others."""
        root = self.layout.root
        for old in self.layout.dags.glob("*.py"):
            old.unlink()
        lock = (REPOSITORY / "requirements-dbt.txt").read_text().splitlines()
        pins = [line.split(";")[0].strip() for line in lock if line.startswith(("dbt-core==", "dbt-duckdb=="))]
        for arm, size in wanted:
            text = arms.dag_file(arm, size, root / "dbt" / f"bench_{size}", root, self.dbt_venv, pins)
            (self.layout.dags / f"{arms.dag_id(arm, size)}.py").write_text(text)
        self._write_profiles()

    def _write_profiles(self) -> None:
        (self.layout.root / "profiles").mkdir(exist_ok=True)
        profiles = projects.profiles([f"bench_{size}" for size in self.sizes])
        (self.layout.root / "profiles" / "profiles.yml").write_text(json.dumps(profiles))

    def boot(self, triggerer: bool) -> None:
        """Start Airflow on a fresh database and wait until every DAG has been parsed.

        Raises Problem if it doesn't come up, or a DAG file doesn't parse.
        """
        self._fresh_database()
        began = time.time()
        names = [name for name in components.COMPONENTS if triggerer or name != "triggerer"]
        self.running = [components.start(self.layout, name, self.env) for name in names]

        def silent() -> list[str]:
            return [name for name in health.unhealthy(self.api, began) if triggerer or name != "triggerer"]

        self._wait("Airflow to come up", silent, 180)
        with contextlib.suppress(ApiError):
            self.api.post("/pools", {"name": arms.POOL, "slots": 1, "include_deferred": False})
        files = {path.stem for path in self.layout.dags.glob("*.py")}

        def missing() -> list[str]:
            if errors := self.api.get("/importErrors")["import_errors"]:
                raise Problem(
                    f"{errors[0]['filename']} does not parse:\n{errors[0]['stack_trace']}", "See bench/arms.py."
                )
            return sorted(files - {dag["dag_id"] for dag in self.api.get("/dags", limit=100)["dags"]})

        self._wait("the DAG processor", missing, 900)

    def _fresh_database(self) -> None:
        home = self.layout.airflow_home
        template, database = home / "airflow.db.template", home / "airflow.db"
        for path in home.glob("airflow.db-*"):
            path.unlink()
        database.unlink(missing_ok=True)
        if template.is_file():
            shutil.copy2(template, database)
        environment.migrate(self.layout, self.venv, self.env, self.told)
        shutil.copy2(database, template)
        shutil.rmtree(home / "logs", ignore_errors=True)

    def _wait(self, what: str, missing: Callable[[], list[str]], limit: float) -> None:
        deadline = time.monotonic() + limit
        while still := missing():
            self.told(f"waiting for {what}: {', '.join(still)}")
            for component in self.running:
                if component.process.poll() is not None:
                    raise Problem(f"Airflow's {component.name} ended.", f"See {self.layout.logs}.")
            if time.monotonic() > deadline:
                raise Problem(f"{what} took more than {limit:.0f} s.", f"See {self.layout.logs}.")
            time.sleep(1)

    def down(self) -> None:
        """End everything that belongs to this environment, the warm dbt servers included."""
        components.end(components.leftovers(self.layout.root), grace=5)
        for component in self.running:
            component.process.wait()
        self.running = []
