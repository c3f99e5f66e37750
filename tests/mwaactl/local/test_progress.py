"""What a person sees while two processes work."""

import time

import pytest

from mwaactl.local.progress import Steps


def step(name: str, started: float, failed: bool = False) -> dict[str, object]:
    return {"name": name, "task": "", "started": started, "ended": started + 1, "failed": failed}


def test_steps_of_both_processes_are_shown_in_order_and_once(capsys: pytest.CaptureFixture[str]) -> None:
    now = time.time()
    theirs = [step("services", now - 10)]
    with Steps(lambda: theirs) as steps:
        with steps.step("manifest"):
            steps.task("parsing")
            time.sleep(0.3)
        steps.show_others([step("plan", now + 1, failed=True)])
    lines = capsys.readouterr().err.splitlines()
    assert [line.split()[:2] for line in lines] == [["services", "done"], ["manifest", "done"], ["plan", "FAILED"]]


def test_a_failing_step_is_marked_and_its_error_goes_on(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError, match="no"), Steps() as steps, steps.step("manifest"):
        raise ValueError("no")
    assert capsys.readouterr().err.split()[:2] == ["manifest", "FAILED"]
