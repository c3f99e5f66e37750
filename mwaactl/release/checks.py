"""Everything that is looked at before the first write, several things at a time."""

from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from mwaactl.environments import Environment
from mwaactl.errors import Problem
from mwaactl.release import contents, dag_imports, files, git, lease, ownership, planning, target
from mwaactl.release.how import DAG_IMPORTS, MANIFESTS, SECRETS, How
from mwaactl.release.planning import Plan, Wanted
from mwaactl.release.steps import Steps
from mwaactl.release.target import Target


def prepared(environment: Environment, source: Path, how: How, steps: Steps) -> tuple[Plan, Mapping[str, str]]:
    """Return the plan and the DAGs, after all checks. Raises Problem with all that fail."""
    with steps.step("plan") as told:
        told("reading the project")
        what = planning.wanted(environment, source)
        told("looking at account, bucket and environment")
        found = target.look(environment, to_write=True, to_verify=how.verify)
        with ThreadPoolExecutor(2) as pool:
            # The slowest check is a process of its own; the others go on beside it.
            imports = pool.submit(_dags, what, found, how, told) if DAG_IMPORTS not in how.skip else None
            planned: Future[Plan] = pool.submit(planning.plan, environment, what, found, how.replacement)
            problems: list[Problem] = []
            plan = planned.result()
            told("checking the files")
            problems += _file_checks(environment, source, plan, how)
            # Not looked at: those that were there and whose files stay.
            known = plan.current.dags if plan.current else {}
            dags: Mapping[str, str] = {
                dag_id: file for dag_id, file in known.items() if f"{contents.DAGS}{file}" in what.files
            }
            if imports:
                try:
                    dags = imports.result()
                except Problem as problem:
                    problems.append(problem)
        if not how.take_over:
            problems += ownership.foreign(plan) + ownership.newer(plan, git.checkout(source))
        for refuse in (
            lambda: lease.refuse(environment, plan.state),
            lambda: target.refuse_busy(environment, found.mwaa),
        ):
            try:
                refuse()
            except Problem as problem:
                problems.append(problem)
        target.together(problems)
    return plan, dags


def _dags(what: Wanted, found: Target, how: How, told: Callable[[str], None]) -> Mapping[str, str]:
    return dag_imports.dags(what.files, what.options, str(found.mwaa.get("AirflowVersion", "")), told)


def _file_checks(environment: Environment, source: Path, plan: Plan, how: How) -> list[Problem]:
    what = plan.wanted
    problems = files.names_and_sizes(what.files, environment.key("")) + files.options(what.options)
    if MANIFESTS not in how.skip:
        problems += files.stale_manifests(source)
    if SECRETS not in how.skip:
        problems += files.secrets(files.to_scan(source, what.files, plan.uploads))
    return problems
