"""What every operator that runs dbt is: Cosmos' virtualenv operator on the virtualenv that startup.sh built.

Stock operators rebuild the virtualenv in every task, hold one lock for the whole dbt command and never end dbt when
the task is killed (cosmos/operators/virtualenv.py:104-166, 1.15.1). These run dbt in the prebuilt virtualenv, take no
lock, end what they started, write nothing below the project, and fail with dbt's own words. node_operators.py has one
for each command.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from cosmos.config import ProfileConfig
from cosmos.dbt.graph import DbtNode
from cosmos.hooks.subprocess import FullOutputSubprocessResult
from cosmos.operators.virtualenv import DbtVirtualenvBaseOperator

from mwaa_dbt import alerts, errors, left_out, results, settings
from mwaa_dbt.compat import AirflowSkipException
from mwaa_dbt.errors import ConfigurationError, MwaaDbtError
from mwaa_dbt.exclusion import ends
from mwaa_dbt.exclusion.tasks import Guard
from mwaa_dbt.history import task as history
from mwaa_dbt.lean import LeanOperator
from mwaa_dbt.process import DbtProcess, DbtRequest, start
from mwaa_dbt.profiles import ConnectionProfileMapping
from mwaa_dbt.run_form import RunForm
from mwaa_dbt.warm import hooks

if TYPE_CHECKING:
    from airflow.sdk import Context

#: Airflow's own configuration may hold secrets (database, Fernet key, connections) that are none of dbt's business.
_AIRFLOW_ONLY = ("AIRFLOW__", "AIRFLOW_CONN_", "AIRFLOW_VAR_", "_AIRFLOW")
#: What warm/launcher.py goes by.
_ARTIFACTS: dict[str, dict[str, str]] = {"needed": {}, "all": {"MWAA_DBT_ALL_ARTIFACTS": "1"}}
#: Commands that must touch a node; with none selected dbt does nothing and calls that a success (cosmos#1435).
_NEEDS_NODES = ("run", "build", "seed", "snapshot")


class PrebuiltVirtualenv(LeanOperator):
    """Runs one dbt command in the prebuilt virtualenv; first in the bases of every operator below.

    Args:
        node_ids: unique ids of the dbt nodes that the task is about; empty for commands about none.
        resolve: for a task about several nodes: returns the unique ids that a run's form selects.
        hooks: what becomes of the project's on-run-start and on-run-end (warm/hooks.py); empty: they run, as in dbt.
    """

    # Cosmos sets these without saying of what type.
    vars: dict[str, Any] | None
    exclude: str | None
    profile_config: ProfileConfig

    def __init__(
        self,
        *,
        node_ids: tuple[str, ...] = (),
        resolve: Callable[[RunForm], set[str]] | None = None,
        hooks: str = "",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.node_ids = node_ids
        self.hooks = hooks
        self._resolve = resolve
        self._process: DbtProcess | None = None
        self._at_rest = True  # nothing of dbt works: not yet, or it has ended by itself
        self._recording: history.Recording | None = None

    def execute(self, context: Context, **kwargs: Any) -> Any:
        """Run the command as the run's form asks for it.

        Raises:
            DbtError: if dbt failed; one that isn't retried (DbtFailedForGood) if the next try would fail, too.
            ConfigurationError: if virtualenv, project or connection are not as they should be (never retried).
            AirflowSkipException: if the task was cleared, and the run leaves it out.
        """
        form = RunForm.of_run(context, settings.target())
        self.follow(form, left_out.nodes(self.node_ids, context))
        try:
            # Past DbtVirtualenvBaseOperator, which would log the result and delete temporary virtualenvs.
            return super(DbtVirtualenvBaseOperator, self).execute(context, **kwargs)
        except MwaaDbtError:
            if self._at_rest and isinstance(self._pre_execute_hook, Guard):
                ends.say(context)
            raise

    def follow(self, form: RunForm, without: Collection[str] = ()) -> None:
        """Let the run's `form` decide on full refresh, vars, target and nodes; those in `without` don't run."""
        if form.full_refresh and hasattr(self, "full_refresh"):
            self.full_refresh = True
        if form.vars:
            self.vars = {**(self.vars or {}), **form.vars}
        if form.target != self.profile_config.target_name and form.target_given:
            self.profile_config = profile_config(self.profile_config.profile_name, form.target)
        if form.exclude and self.base_cmd[0] in ("test", "build"):
            self.exclude = " ".join([*([self.exclude] if self.exclude else []), *form.exclude])
        if (form.partial or without) and self._resolve is not None:
            wanted = sorted(self._resolve(form).intersection(self.node_ids).difference(without))
            self.select = " ".join(DbtNode.get_resource_name_from_unique_id(node_id) for node_id in wanted)

    def get_env(self, context: Context) -> dict[str, Any]:
        """Return the environment of dbt: the worker's, Airflow's context, the operator's own; no Airflow secrets."""
        env = super().get_env(context)
        return {key: value for key, value in env.items() if not str(key).startswith(_AIRFLOW_ONLY)}

    def run_command(
        self, cmd: list[str], env: dict[str, Any], context: Context, *_args: Any, **_kwargs: Any
    ) -> FullOutputSubprocessResult:
        """Run `cmd` (dbt's command line, executable first) and return its exit status and log.

        Everything dbt writes goes to a directory that ends with the task. Its results go to history, whatever happens.
        """
        self._recording = history.begin(self, context)
        if self._recording is None:
            return self._run_command(cmd, env, context)
        with self._recording:
            return self._run_command(cmd, env, context)

    def _run_command(self, cmd: list[str], env: dict[str, Any], context: Context) -> FullOutputSubprocessResult:
        project_dir = existing_project(Path(self.project_dir))
        with TemporaryDirectory(prefix="mwaa-dbt-") as folder:
            workspace = Path(folder)
            target_path = workspace / "target"
            target_path.mkdir()
            profiles_dir, secrets = self._write_profile(workspace)
            request = DbtRequest(
                venv=settings.venv(),
                args=[
                    *cmd[1:],
                    *("--project-dir", str(project_dir), "--profiles-dir", str(profiles_dir)),
                    *("--profile", self.profile_config.profile_name, "--target", self.profile_config.target_name),
                ],
                env={
                    **{key: os.fspath(value) for key, value in env.items()},
                    **secrets,
                    **_ARTIFACTS[settings.artifacts()],
                    **self.hooks_env(workspace),
                },
                secrets=frozenset(secrets),
                project_dir=project_dir,
                target_path=target_path,
            )
            outcome = self._run(request)
            if self._recording is not None:
                self._recording.heard(target_path)
            self._keep(folder, context)
        self._judge(cmd, outcome)
        alerts.note_warnings(context, outcome)
        last = outcome.log_tail[-1] if outcome.log_tail else ""
        return FullOutputSubprocessResult(outcome.exit_code, last, list(outcome.log_tail))

    def hooks_env(self, workspace: Path) -> dict[str, str]:
        """Return what tells dbt which hooks to run; `workspace` is a folder of this command alone."""
        return {hooks.WHICH: self.hooks} if self.hooks else {}

    def _write_profile(self, workspace: Path) -> tuple[Path, dict[str, str]]:
        profile = self.profile_config
        mapping = profile.profile_mapping
        if mapping is None:  # then it has a file (cosmos/config.py, `validate_profile`)
            return Path(profile.profiles_yml_filepath).parent, {}
        # TemporaryDirectory is the user's alone (0700); secrets are env_var() references all the same.
        (workspace / "profiles.yml").write_text(
            mapping.get_profile_file_contents(profile_name=profile.profile_name, target_name=profile.target_name)
        )
        return workspace, {name: str(value) for name, value in mapping.env_vars.items()}

    def _run(self, request: DbtRequest) -> results.Outcome:
        tail = results.LogTail()

        def on_line(line: str) -> None:
            tail.add(line)
            self.log.info("%s", line)

        self._process = start(request, warm=settings.warm())
        self._at_rest = False
        exit_code = self._process.run(on_line)
        self._at_rest = exit_code >= 0  # killed, it may have left processes that aren't dead yet
        return results.Outcome(exit_code, results.read(request.target_path), tail.lines())

    def _keep(self, workspace: str, context: Context) -> None:
        # As Cosmos does after every command, failed or not (cosmos/operators/local.py, `_handle_post_execution`).
        if settings.compiled_sql():
            self.store_freshness_json(workspace, context)
            self.store_compiled_sql(workspace, context)
            self._override_rtif(context)
        callbacks = self.callback if isinstance(self.callback, list) else [self.callback] if self.callback else []
        for callback in callbacks:
            self._resolve_callback(callback)(workspace, **self.callback_args, context=context)

    def _judge(self, cmd: list[str], outcome: results.Outcome) -> None:
        verb = self.base_cmd[0]
        if self.skip_exit_code is not None and outcome.exit_code == self.skip_exit_code:
            raise AirflowSkipException(f"dbt {verb} asked to be skipped (exit status {outcome.exit_code}).")
        if outcome.exit_code == 0 and (outcome.nodes or verb not in _NEEDS_NODES):
            return
        file = (self.extra_context.get("dbt_node_config") or {}).get("original_file_path", "")
        what = outcome.error_text() or f"dbt ended with exit status {outcome.exit_code} and no word"
        text = f"dbt {verb} failed{f' ({file})' if file else ''}: {what}"
        if hint := outcome.hint():
            text = f"{text}\n{hint}"
        raise errors.of_outcome(text, outcome)

    def on_kill(self) -> None:
        """End dbt and its queries."""
        if self._recording is not None:
            self._recording.killed()
        if self._process is not None:
            self._process.kill()


def profile_config(project: str, target: str) -> ProfileConfig:
    """Return the dbt profile of `project` for `target`; its connection is looked up when a task runs."""
    return ProfileConfig(
        profile_name=project,
        target_name=target,
        profile_mapping=ConnectionProfileMapping(settings.connection_id(project, target)),
    )


def existing_project(project_dir: Path) -> Path:
    """Return `project_dir`.

    Raises:
        ConfigurationError: if there is no dbt project in it (any more).
    """
    if not (project_dir / "dbt_project.yml").is_file():
        raise ConfigurationError(
            f"There is no dbt project in {project_dir} (dbt_project.yml is missing). It was there when the DAG was "
            "parsed: release it again, or remove the DAG together with its project."
        )
    return project_dir
