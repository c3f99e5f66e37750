"""The wait for the turn, where it is the last of a run's first tasks, skips what the run leaves out."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.exceptions import DownstreamTasksSkipped
from mwaa_dbt.exclusion.tasks import WaitForTurn


@pytest.mark.parametrize("last", [True, False])
def test_only_the_last_of_the_first_tasks_skips(last: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(WaitForTurn, "poke", lambda self, context: True)
    task = WaitForTurn(task_id="wait_for_turn", lock="l")
    task.mode, task.leaves_out = "poke", last
    context: Any = {"params": {"select": "a"}, "ti": SimpleNamespace(xcom_pull=lambda **kwargs: ["g.b"])}
    if not last:
        task.execute(context)
        return
    with pytest.raises(DownstreamTasksSkipped) as skipped:
        task.execute(context)
    assert list(skipped.value.tasks) == ["g.b"]
