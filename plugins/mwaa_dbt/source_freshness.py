"""A DAG's look at its sources: what hangs below a stale one is skipped, the rest runs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from mwaa_dbt import alerts, left_out, settings, staleness
from mwaa_dbt.node_operators import DbtSourceVirtualenvOperator
from mwaa_dbt.process import DbtRequest
from mwaa_dbt.results import NodeResult, Outcome
from mwaa_dbt.run_form import RunForm
from mwaa_dbt.staleness import Freshness

if TYPE_CHECKING:
    from airflow.sdk import Context


class SourceFreshness(DbtSourceVirtualenvOperator):
    """One ``dbt source freshness`` for all sources that the run's nodes are made from.

    A source beyond its `error_after` is stale: the tasks below it are skipped, without starting them, and the run's
    last message says why. Beyond `warn_after` it is a warning of the run. What dbt couldn't find out fails the task.

    Args:
        manifest: returns the project's render manifest.
        selected: returns the unique ids of the nodes that a form selects.
    """

    def __init__(
        self,
        *,
        manifest: Callable[[], Mapping[str, Any]],
        selected: Callable[[RunForm], set[str]],
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._manifest = manifest
        self._selected = selected
        self._found: tuple[Freshness, ...] = ()

    def execute(self, context: Context, **kwargs: Any) -> None:
        """Look at the sources; skip what is below stale ones, and what the run leaves out otherwise.

        Raises:
            DownstreamTasksSkipped: with the tasks to be skipped.
            DbtError: if dbt couldn't tell how fresh a source is.
        """
        left_out.skip(context, self._below_stale(context, **kwargs))  # it is the last of the run's first tasks

    def _below_stale(self, context: Context, **kwargs: Any) -> Iterable[str]:
        form = RunForm.of_run(context, settings.target())
        if not form.freshness:
            self.log.info("The form says not to look at sources.")
            return ()
        tasks = {task.task_id: set(ids) for task in self.dag.tasks if (ids := getattr(task, "node_ids", ()))}
        wanted = set().union(*tasks.values())
        if form.partial:
            wanted &= self._selected(form)
        manifest = self._manifest()
        below = staleness.below(manifest, sorted(staleness.checked(manifest)))
        below = {source: nodes for source, nodes in below.items() if nodes & wanted}
        if not below:
            self.log.info("No node of this run is made from a source that says how fresh it must be.")
            return ()
        self.select = " ".join(f"source:{source.removeprefix('source.')}" for source in below)
        super().execute(context, **kwargs)
        # The others are skipped by the form.
        return self._conclude({task_id: ids & wanted for task_id, ids in tasks.items() if ids & wanted}, below, context)

    def _run(self, request: DbtRequest) -> Outcome:
        outcome = super()._run(request)
        self._found = staleness.read(request.target_path)
        unknown = [one for one in self._found if one.status not in ("pass", "warn", "error")]
        judged = bool(self._found) and not unknown  # dbt's exit status is 1 if a source is stale, too
        nodes = tuple(_result(one, one.status, one.words) for one in unknown)
        return replace(outcome, exit_code=0 if judged else outcome.exit_code, nodes=nodes)

    def _conclude(
        self, tasks: Mapping[str, set[str]], below: Mapping[str, set[str]], context: Context
    ) -> Iterable[str]:
        stale = {one.unique_id: one.words for one in self._found if one.status == "error"}
        skipped: dict[str, list[str]] = {}
        partly: dict[str, list[str]] = {}
        for task_id, ids in tasks.items():
            sources = [source for source in stale if ids & below[source]]
            lost = ids & set().union(*(below[source] for source in sources))
            if lost == ids:
                skipped[task_id] = sources
            elif lost:
                partly[task_id] = sorted(lost)
        told = []
        for one in self._found:
            words = one.words
            if one.unique_id in stale:
                number = sum(one.unique_id in sources for sources in skipped.values())
                words = f"stale: {one.words}. Tasks skipped below it: {number}."
            if one.status != "pass":
                self.log.warning("source %s: %s", staleness.name_of(one.unique_id), words)
                told.append(_result(one, "warn", words))
        alerts.note_warnings(context, Outcome(0, tuple(told)))
        if skipped or partly:
            value = {"sources": stale, "skipped": skipped, "partly": partly}
            context["ti"].xcom_push(key=left_out.STALE, value=value)
        if skipped:
            self.log.info("Skipped: %s", ", ".join(sorted(skipped)))
        return skipped


def _result(found: Freshness, status: str, words: str) -> NodeResult:
    return NodeResult(found.unique_id, status, words, failures=None, execution_time=0.0)
