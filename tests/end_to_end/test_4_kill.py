"""A person marks a running task failed: dbt ends with it."""

from collections.abc import Iterator

import pytest

from mwaactl.local import follow
from tests.end_to_end.conftest import Demo
from tests.end_to_end.support import (
    ENDLESS,
    JUST_QUICK,
    QUICK,
    QUICK_TASK,
    TRANSFORM,
    dbt_commands,
    instance,
    run_quick,
    running,
    source_files,
    states,
    succeeded,
    until,
)
from tests.local_environment import LocalEnvironment

pytestmark = pytest.mark.end_to_end


@pytest.fixture
def endless(environment: LocalEnvironment, green: Demo) -> Iterator[None]:
    """Release a model that doesn't end by itself."""
    with source_files(environment, {f"dbt/flights/models/marts/{QUICK}.sql": lambda _: ENDLESS}):
        yield
    environment.up()


def test_marking_a_task_failed_ends_dbt_and_frees_the_warehouse(environment: LocalEnvironment, endless: None) -> None:
    run_id = environment.start(TRANSFORM, JUST_QUICK)
    run = until(lambda: running(environment, run_id, QUICK_TASK), limit=60)
    commands = until(lambda: dbt_commands(environment))
    environment.api.patch(instance(run, QUICK_TASK), {"new_state": "failed"})
    until(lambda: not any(command.is_running() for command in commands), limit=30)
    ended = follow.follow(environment.api, TRANSFORM, run_id, limit=60)
    assert states(ended)[QUICK_TASK] == "failed"
    assert dbt_commands(environment) == []
    # Nobody holds the file: reading needs no patience, and the next task writes.
    assert environment.query("select count(*) from dev_marts.routes")[0][0] > 0
    assert succeeded(environment.run(TRANSFORM, {"select": "routes"}))


def test_the_model_runs_again_once_it_ends(environment: LocalEnvironment, green: Demo) -> None:
    """After the fixture of the test before has put the model back."""
    assert succeeded(run_quick(environment))
