"""A dbt project as a DAG file sees it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, TypeVar

from airflow.sdk import BaseOperator, Param
from cosmos.config import ExecutionConfig, RenderConfig
from cosmos.constants import LoadMode, TestBehavior
from cosmos.dbt.graph import DbtGraph, DbtNode

from mwaa_dbt import behavior, dag_frame, run_form, selection, settings
from mwaa_dbt.cosmos_seam import RenderedProject
from mwaa_dbt.dag_rendering import DagRendering
from mwaa_dbt.errors import ConfigurationError
from mwaa_dbt.exclusion.tasks import Guard
from mwaa_dbt.group_config import GroupConfig
from mwaa_dbt.node_operators import DbtRunOperationVirtualenvOperator
from mwaa_dbt.operators import profile_config
from mwaa_dbt.production import PublishDocs, PublishState
from mwaa_dbt.run_form import RunForm
from mwaa_dbt.task_group import ProjectTaskGroup
from mwaa_dbt.tests_group import NodeTestsGroup
from mwaa_dbt.warm.hooks import NONE as NO_HOOKS

_Task = TypeVar("_Task", bound=BaseOperator)
_Group = TypeVar("_Group", bound=ProjectTaskGroup)


class DbtProject:
    """The dbt project in the folder `name` below the dbt root.

    Args:
        name: the folder's name, which is also the project's (`name` in dbt_project.yml) and the profile's.
        test_behavior: when tests run, for nodes that don't say so themselves: after_each, build, after_all or none.
        task_scope: whether a worker builds only the task it runs; None: as [mwaa_dbt] task_scope says. False for a
            DAG file that takes single tasks out of the groups, since in a worker the other tasks aren't there.
        lock: runs of DAGs with the same lock, this one's included, never work at the same time; None: no lock.
        hooks: when on-run-start and on-run-end run: once per DAG ``run``, or with each ``node``'s command, as dbt
            does; None: as [mwaa_dbt] hooks says.

    Nothing is read before the first task group is made.
    """

    def __init__(
        self,
        name: str,
        test_behavior: str | TestBehavior = TestBehavior.AFTER_EACH,
        task_scope: bool | None = None,
        lock: str | None = None,
        hooks: Literal["run", "node"] | None = None,
    ) -> None:
        self.name = name
        self.lock = lock
        self._guard = {"pre_execute": Guard(lock)} if lock else {}
        if hooks not in (None, "run", "node"):
            raise ConfigurationError(f"DbtProject({name!r}): hooks must be run or node, but is {hooks!r}.")
        self.hooks_once = (hooks or settings.hooks()) == "run"
        self.task_scope = settings.task_scope() if task_scope is None else task_scope
        self.project_dir: Path = settings.dbt_root() / name
        self.test_behavior = TestBehavior(test_behavior)
        self._renderings: dict[str, DagRendering] = {}

    @cached_property
    def _config(self) -> RenderedProject:
        return RenderedProject(self.name, self.project_dir, self.test_behavior)

    @cached_property
    def _all(self) -> RenderedProject:
        # With the tests of nodes that want them after all others: a form may name them, a DAG of tests has them.
        return RenderedProject(self.name, self.project_dir, self.test_behavior, behavior.SOMEWHERE)

    def run_params(
        self,
        targets: Sequence[str] = run_form.TARGETS,
        *,
        whole: bool = False,
        tests: bool = False,
        freshness: bool = False,
        window: bool = False,
    ) -> dict[str, Param]:
        """Return the trigger form for DAGs of this project: select, exclude, full refresh, target, vars.

        Args:
            targets: the targets that a run may name.
            whole: for a DAG that always builds all nodes from scratch: target and vars only.
            tests: for a DAG of tests only: no full refresh.
            freshness: sources are looked at first (task ``source_freshness``): what hangs below a stale one is
                skipped, unless the form says not to.
            window: with first and last day; models get them, or the run's data interval, as the vars window_start and
                window_end.
        """
        return run_form.params(
            settings.target(), targets, whole=whole, tests=tests, freshness=freshness, windowed=window
        )

    def task_group(
        self,
        group_id: str,
        select: Sequence[str] = (),
        exclude: Sequence[str] = (),
        **operator_args: Any,
    ) -> ProjectTaskGroup:
        """Return a task group of the nodes that `select` names (all, if empty) without those that `exclude` names.

        Both are lists of terms in dbt's syntax, as far as Cosmos resolves it from a manifest; `operator_args` go to
        every task. To be called inside a DAG. A test with parents in several groups of the DAG runs once, in the
        group that data reaches last (the one made last, where data says nothing).

        Raises:
            ManifestError: if the project's render manifest can't be used.
        """
        return self._group(ProjectTaskGroup, group_id, self._config, select, exclude, operator_args)

    def test_group(
        self,
        group_id: str,
        select: Sequence[str] = (),
        exclude: Sequence[str] = (),
        **operator_args: Any,
    ) -> NodeTestsGroup:
        """Return a task group of tests only: of the nodes and sources that `select` names without `exclude`'s.

        Each node's tests are one task, a test with several parents is one of its own; none waits for another. Whenever
        a node wants its tests elsewhere, here they run; except for ``none``. Otherwise as `task_group`.

        Raises:
            ManifestError: if the project's render manifest can't be used.
        """
        return self._group(NodeTestsGroup, group_id, self._all, select, exclude, operator_args)

    def _group(
        self,
        kind: type[_Group],
        group_id: str,
        project: RenderedProject,
        select: Sequence[str],
        exclude: Sequence[str],
        operator_args: dict[str, Any],
    ) -> _Group:
        group = kind(
            group_id,
            GroupConfig(
                project=project,
                profile=profile_config(self.name, settings.target()),
                select=tuple(select),
                exclude=tuple(exclude),
                operator_args={
                    "pool": settings.pool(),
                    # A node runs though its parents were left out of the run, but not if one of them failed.
                    "trigger_rule": "none_failed",
                    "lean": settings.lean(),
                    **({"hooks": NO_HOOKS} if self.hooks_once else {}),
                    **self._guard,
                    **operator_args,
                },
                resolve=self.resolve,
                task_scope=self.task_scope,
            ),
        )
        rendering = self._renderings.get(group.dag.dag_id)
        if rendering is None or rendering.dag is not group.dag:
            frame = dag_frame.make(group.dag, self, kind.command)
            rendering = self._renderings[group.dag.dag_id] = DagRendering(group.dag, frame)
        if not group.scoped:
            rendering.add(group)
        return group

    def run_operation(
        self, task_id: str, macro: str, args: dict[str, Any] | None = None, **operator_args: Any
    ) -> DbtRunOperationVirtualenvOperator:
        """Return a task that runs the project's `macro` with `args` (templated)."""
        return DbtRunOperationVirtualenvOperator(
            task_id=task_id, macro_name=macro, args=args, **self.task_args(), **operator_args
        )

    def docs(self, task_id: str = "docs", **operator_args: Any) -> PublishDocs:
        """Return a task for after all groups: dbt's docs into the bucket, if the run was of all nodes in production."""
        return self._at_the_end(PublishDocs(task_id=task_id, **self._end_args(), **operator_args))

    def publish_state(self, task_id: str = "publish_state", **operator_args: Any) -> PublishState:
        """Return a task for after all groups: the manifest as the state that slim CI compares with, in like case."""
        return self._at_the_end(PublishState(task_id=task_id, **self._end_args(), **operator_args))

    def _end_args(self) -> dict[str, Any]:
        return {"project": self.name, "trigger_rule": "none_failed", **self.task_args()}

    def _at_the_end(self, task: _Task) -> _Task:
        if rendering := self._renderings.get(task.dag.dag_id):
            rendering.before_outcome(task)
        return task

    def task_args(self) -> dict[str, Any]:
        """Return the arguments of every operator that runs this project's dbt."""
        return {
            "project_dir": self.project_dir,
            "profile_config": profile_config(self.name, settings.target()),
            "pool": settings.pool(),
            "install_deps": False,
            "emit_datasets": False,
            **self._guard,
        }

    def nodes(self) -> dict[str, DbtNode]:
        """Return all nodes of the project by unique id, tests included, as Cosmos sees them."""
        graph = DbtGraph(
            project=self._all,
            execution_config=ExecutionConfig(dbt_project_path=self.project_dir),
            render_config=RenderConfig(load_method=LoadMode.DBT_MANIFEST),
        )
        graph.load_from_dbt_manifest()
        return graph.nodes

    def manifest(self) -> dict[str, Any]:
        """Return the project's render manifest, without the tests that no task runs."""
        return self._all.rendered_manifest()

    def hooks(self) -> tuple[str, ...]:
        """Return which hooks the project has: on-run-start, on-run-end."""
        return self._config.hooks()

    def resolve(self, form: RunForm) -> set[str]:
        """Return the unique ids of the nodes that a run's `form` selects.

        Raises:
            SelectionError: if it names nodes that don't exist.
        """
        return selection.resolve(self.nodes(), self.project_dir, form.select, form.exclude)
