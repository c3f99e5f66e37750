"""An apply or a rollback that is killed: the release before stays in force, and repeating finishes the new one."""

import json
import subprocess
import sys
from collections.abc import Collection, Iterable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from mwaactl.release import looking, pointer, record
from mwaactl.release.applying import apply
from mwaactl.release.how import How
from tests.mwaactl.release.conftest import Place
from tests.mwaactl.release.killing import Calls, Killed, Watched

#: Changing calls of the apply below: lease, requirements.txt, update, two models, manifest, helper, DAG, two removals,
#: record, pointer, and the verdict on record.
STEPS = 13


def change(place: Place) -> None:
    """Change the project at every stage: what is built, uploaded and removed."""
    place.write("requirements.txt", "a==2\n")
    place.write("dbt/shop/models/a.sql", "select 11")
    place.write("dbt/shop/models/c.sql", "select 3")
    (place.source / "dbt/shop/models/b.sql").unlink()
    place.write("dags/helper.py", "X = 2\n")
    place.write("dags/one.py", "from airflow.sdk import DAG\nDAG('one')  # dag: one, newer\n")
    (place.source / "dags/two.py").unlink()
    place.build()


def killed(place: Place, at: int) -> bool:
    """Apply, and die at a call; return whether there were so many."""
    environment = place.environment
    calls = Calls(at)
    place.environment = Watched.of(environment, calls)
    try:
        place.apply()
    except Killed:
        return True
    finally:
        place.environment = environment
    assert len(calls.made) == STEPS, calls.made
    return False


def holds_exactly(place: Place, release: str) -> None:
    """Check that the bucket holds the files of `release`, and nothing else that is a release's."""
    there = record.read(place.s3, place.environment, release)
    listed = place.listed()
    assert listed.keys() == there.files.keys()
    assert looking.status(place.environment).good, looking.status(place.environment).lines()


def steps(of: Iterable[int], ci: Collection[int]) -> Any:
    """Return the steps to be killed at as parameters: those in `ci` always, the others where there is time."""
    return pytest.mark.parametrize("at", [pytest.param(at, marks=() if at in ci else pytest.mark.long) for at in of])


@steps(range(1, STEPS + 1), ci=(3, 7, 10, STEPS))
def test_killed_after_any_call_it_can_be_repeated(place: Place, monkeypatch: pytest.MonkeyPatch, at: int) -> None:
    first = place.apply().record.release
    change(place)
    assert killed(place, at)
    state = pointer.read(place.s3, place.environment)
    if at < STEPS - 1:
        assert state.release == first
        assert state.unfinished
    # As the killed process would be: gone.
    monkeypatch.setattr(pointer, "_left_behind", lambda lease: True)
    place.mwaa.finish()  # an update goes on without who asked for it
    done = place.apply()
    assert {path: file.read() for path, file in done.plan.wanted.files.items()} == place.listed()
    holds_exactly(place, done.record.release)
    assert place.mwaa.environment.get("Status") != "UPDATING"
    assert place.apply().nothing


@steps([2, 5, 8, 10], ci=(5,))
def test_killed_it_can_be_given_up(place: Place, monkeypatch: pytest.MonkeyPatch, at: int) -> None:
    place.apply()
    before = place.listed()
    change(place)
    assert killed(place, at)
    monkeypatch.setattr(pointer, "_left_behind", lambda lease: True)
    place.mwaa.finish()
    back = place.rollback()
    assert place.listed() == before
    holds_exactly(place, back.record.release)


def test_there_are_so_many_steps(place: Place) -> None:
    place.apply()
    change(place)
    assert not killed(place, STEPS + 1)


SCRIPT = """
import json, sys
from pathlib import Path
from typing import Any
from mwaactl.environments import Environment
from mwaactl.release import dag_imports
from mwaactl.release.applying import apply
from mwaactl.release.how import How
from tests.mwaactl.release.conftest import dags_by_their_word
from tests.mwaactl.release.killing import Calls, Watched, die
dag_imports.dags = dags_by_their_word
environment = Watched.of(Environment(**json.loads(sys.argv[1])), Calls(int(sys.argv[3]), die))
apply(environment, Path(sys.argv[2]), How(pause=0))
"""


@steps([1, 7, 12], ci=(7,))
def test_a_process_that_was_killed_holds_nobody_up(place: Place, at: int) -> None:
    place.apply()
    change(place)
    command = [sys.executable, "-c", SCRIPT, json.dumps(asdict(place.environment)), str(place.source), str(at)]
    done = subprocess.run(command, cwd=Path(__file__).parents[3], capture_output=True, text=True)
    assert done.returncode == -9, done.stderr
    again = place.apply()  # at once: this machine knows that the process is gone
    holds_exactly(place, again.record.release)
    assert place.listed()["dags/helper.py"] == b"X = 2\n"


def test_a_lease_of_another_machine_is_waited_for(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    place.apply()
    change(place)
    assert killed(place, 4)
    place.mwaa.finish()
    from mwaactl.errors import Problem

    monkeypatch.setattr(pointer, "this_machine", lambda: "another")
    with pytest.raises(Problem, match=r"(?s)is being changed: apply of .* its lease ends within \d+ s"):
        place.apply()
    state = pointer.read(place.s3, place.environment)
    assert not replace(state, age=pointer.LEASE_SECONDS + 1).held


def test_an_error_in_the_middle_lets_go_of_the_lease(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    place.apply()
    change(place)

    def broken(*_: object) -> None:
        raise OSError("no route to host")

    with monkeypatch.context() as patched:
        patched.setattr("mwaactl.release.objects.Bucket.remove", broken)
        with pytest.raises(OSError, match="no route"):
            place.apply()
    state = pointer.read(place.s3, place.environment)
    assert state.lease is None
    assert state.unfinished
    done = apply(place.environment, place.source, How(pause=0, show=lambda steps: None))
    holds_exactly(place, done.record.release)
