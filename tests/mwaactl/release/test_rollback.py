"""rollback and history: back to an earlier release, its object versions included."""

import pytest

from mwaactl.errors import Problem
from mwaactl.release import looking, target
from mwaactl.release.applying import Unverified
from mwaactl.release.steps import Steps
from tests.mwaactl.release.conftest import Place
from tests.mwaactl.release.test_kill import change


def test_back_across_a_requirements_change(place: Place) -> None:
    first = place.apply()
    before = place.listed()
    change(place)
    second = place.apply()
    assert place.mwaa.environment["RequirementsS3ObjectVersion"] != first.record.pins["requirements.txt"]
    back = place.rollback()
    assert place.listed() == before
    # The very object versions that the environment was built from before.
    for name, field in target.PIN_FIELDS.items():
        assert place.mwaa.environment[field] == first.record.pins[name]
    assert back.record.restores == first.record.release
    assert back.record.previous == second.record.release
    assert back.record.dags == first.record.dags
    assert looking.status(place.environment).good


def test_back_to_other_options(place: Place) -> None:
    place.apply()
    place.write("infra/configuration-options.yaml", "core.parallelism: '9'\n")
    place.apply()
    place.rollback()
    assert place.mwaa.environment["AirflowConfigurationOptions"]["core.parallelism"] == "8"


def test_each_rollback_goes_one_further_and_a_named_one_anywhere(place: Place) -> None:
    ids, contents = [], []
    for number in range(3):
        place.write("dags/helper.py", f"X = {number}\n")
        ids.append(place.apply(verify=False).record.release)
        contents.append(place.listed())
    assert place.rollback(verify=False).record.restores == ids[1]
    assert place.rollback(verify=False).record.restores == ids[0]
    with pytest.raises(Problem, match="is the first release"):
        place.rollback(verify=False)
    assert place.rollback(ids[2], verify=False).record.restores == ids[2]
    assert place.listed() == contents[2]
    current, records = looking.history(place.environment, 20)
    assert [one.restores or one.release for one in records] == [ids[2], ids[0], ids[1], *ids[::-1]]
    assert current == records[0].release


def test_the_release_in_force_needs_no_rollback(place: Place) -> None:
    first = place.apply()
    assert place.rollback(first.record.release).nothing


def test_unknown_and_expired_releases_are_named(place: Place) -> None:
    first = place.apply()
    with pytest.raises(Problem, match="There is no release nope"):
        place.rollback("nope")
    place.write("dags/helper.py", "X = 2\n")
    place.apply()
    version = first.record.files["dags/helper.py"].version
    place.s3.delete_object(Bucket=place.environment.bucket, Key="dags/helper.py", VersionId=version)
    before = place.listed()
    with pytest.raises(Problem, match=r"1 object versions .* are gone, e\.g\. dags/helper\.py"):
        place.rollback()
    assert place.listed() == before


def test_there_is_nothing_to_go_back_to(place: Place) -> None:
    with pytest.raises(Problem, match="no release to go back to"):
        place.rollback()


def test_a_release_that_breaks_a_dag_is_taken_back(place: Place) -> None:
    first = place.apply()
    before = place.listed()
    place.write("dags/one.py", "from airflow.sdk import DAG\nDAG('one')  # dag: one\nbroken\n")
    with pytest.raises(Unverified, match=r"(?s)one\.py can't be imported:.*SyntaxError.*It was taken back") as caught:
        place.apply()
    assert place.listed() == before
    assert caught.value.applied.taken_back
    assert caught.value.applied.taken_back.restores == first.record.release
    _, records = looking.history(place.environment, 3)
    proofs = [one.verified and one.verified["good"] for one in records]
    assert proofs == [True, False, True]


def test_a_release_that_breaks_a_dag_may_stay(place: Place) -> None:
    place.apply()
    place.write("dags/one.py", "from airflow.sdk import DAG\nDAG('one')  # dag: one\nbroken\n")
    with pytest.raises(Unverified, match="rollback -e dev"):
        place.apply(take_back=False)
    assert b"broken" in place.listed()["dags/one.py"]


def test_a_dag_that_never_comes_up_fails_the_proof(place: Place) -> None:
    place.apply()
    place.mwaa.rest["GET", "/dags"] = lambda query, body: {
        "dags": [{"dag_id": "one", "is_stale": True, "last_parsed_time": None}],
        "total_entries": 1,
    }
    place.write("dags/helper.py", "X = 2\n")
    with pytest.raises(Unverified, match=r"(?s)one \(one\.py\) is stale.*two \(two\.py\) is not there"):
        place.apply(take_back=False)


def test_a_dag_that_was_parsed_before_the_release_only_fails_the_proof(place: Place) -> None:
    place.apply()
    place.mwaa.rest["GET", "/dags"] = lambda query, body: {
        "dags": [
            {"dag_id": one, "is_stale": False, "last_parsed_time": "2026-01-01T00:00:00Z"} for one in ("one", "two")
        ],
        "total_entries": 2,
    }
    with pytest.raises(Unverified, match="was not parsed since the release"):
        place.apply()  # nothing new, but the release in force isn't proven either
    place.write("dags/helper.py", "X = 2\n")
    with pytest.raises(Unverified, match="was not parsed since the release"):
        place.apply(take_back=False)
    with pytest.raises(Unverified, match="was not parsed since the release"):
        place.apply()
    _, verdict = looking.verify(place.environment, Steps(lambda steps: None))
    assert not verdict.good
