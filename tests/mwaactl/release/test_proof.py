"""The proof that ends an apply: what it is about, what it takes back, and what is said when it can't be had."""

from collections.abc import Callable
from typing import Any

import pytest

from mwaactl.errors import Problem
from mwaactl.release import looking, pointer
from mwaactl.release.applying import Applied, Unverified
from mwaactl.release.verifying import Verification
from tests.mwaactl.release.conftest import Place
from tests.mwaactl.release.mwaa import Refused

BROKEN = "from airflow.sdk import DAG\nDAG('one')  # dag: one\nbroken\n"
RUN = Verification.run


@pytest.fixture
def before_the_proof(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], Any]], None]:
    """Return a function that lets something happen between the first release's end and its proof."""

    def happen(what: Callable[[], Any]) -> None:
        waiting = [what]

        def run(self: Verification, *arguments: Any, **more: Any) -> Any:
            if waiting:
                waiting.pop()()
            return RUN(self, *arguments, **more)

        monkeypatch.setattr(Verification, "run", run)

    return happen


def test_a_newer_release_of_somebody_else_is_not_taken_back(
    place: Place, before_the_proof: Callable[[Callable[[], Any]], None]
) -> None:
    place.apply()
    newer: list[Applied] = []

    def somebody_else() -> None:
        place.write("dags/helper.py", "X = 3\n")
        newer.append(place.apply())

    before_the_proof(somebody_else)
    place.write("dags/helper.py", "X = 2\n")
    with pytest.raises(Problem, match=r"(?s)meanwhile somebody released .*Nothing was taken back") as caught:
        place.apply()
    assert not isinstance(caught.value, Unverified)
    assert place.listed()["dags/helper.py"] == b"X = 3\n"
    current, records = looking.history(place.environment, 3)
    assert current == newer[0].record.release
    assert current in caught.value.what
    # What was found was not about the release between, so nothing of it is on record.
    assert [one.verified and one.verified["good"] for one in records] == [True, None, True]


def test_a_release_that_begins_after_the_verdict_is_not_taken_back(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.apply()
    from mwaactl.release import rolling_back

    take_back = rolling_back.take_back

    def late(*arguments: Any) -> Any:
        monkeypatch.setattr(rolling_back, "take_back", take_back)
        place.write("dags/one.py", "from airflow.sdk import DAG\nDAG('one')  # dag: one, mended\n")
        place.apply()
        return take_back(*arguments)

    monkeypatch.setattr(rolling_back, "take_back", late)
    place.write("dags/one.py", BROKEN)
    with pytest.raises(Unverified, match=r"(?s)SyntaxError.*could not be taken back.*meanwhile somebody released"):
        place.apply()
    assert b"mended" in place.listed()["dags/one.py"]


def test_a_release_that_is_being_written_is_left_alone(
    place: Place, before_the_proof: Callable[[Callable[[], Any]], None]
) -> None:
    place.apply()

    def begin() -> None:
        there = pointer.read(place.s3, place.environment)
        lease = {"release": "theirs", "who": "somebody"}
        pointer.write(place.s3, place.environment, there, pointer.State(there.release, "theirs", lease))

    before_the_proof(begin)
    place.write("dags/one.py", BROKEN)
    with pytest.raises(Problem, match="meanwhile somebody released theirs"):
        place.apply()
    assert b"broken" in place.listed()["dags/one.py"]


def test_a_failed_way_back_hides_neither_the_verdict_nor_itself(
    place: Place, before_the_proof: Callable[[Callable[[], Any]], None]
) -> None:
    first = place.apply()
    version = first.record.files["dags/one.py"].version
    bucket = place.environment.bucket
    before_the_proof(lambda: place.s3.delete_object(Bucket=bucket, Key="dags/one.py", VersionId=version))
    place.write("dags/one.py", BROKEN)
    words = r"(?s)doesn't run:.*SyntaxError.*could not be taken back.*1 object versions .* are gone"
    with pytest.raises(Unverified, match=words) as caught:
        place.apply()
    assert caught.value.applied.taken_back is None
    assert pointer.read(place.s3, place.environment).release == caught.value.applied.record.release


def deny(place: Place, code: str = "AccessDeniedException", **more: Any) -> None:
    def refuse(asked: dict[str, Any]) -> Any:
        raise Refused(code, "not authorized to perform: airflow:InvokeRestApi", **more)

    place.mwaa.invoke_rest_api = refuse  # type: ignore[method-assign]


def versions(place: Place) -> int:
    return len(place.s3.list_object_versions(Bucket=place.environment.bucket).get("Versions", []))


def test_who_may_not_ask_airflow_is_told_before_the_first_write(place: Place) -> None:
    place.apply()
    before = versions(place)
    place.write("dags/helper.py", "X = 2\n")
    deny(place)
    with pytest.raises(Problem, match=r"No permission: airflow:InvokeRestApi on arn:.*:role/flights-dev/Op"):
        place.apply()
    assert versions(place) == before
    with pytest.raises(Problem, match="No permission: airflow:InvokeRestApi"):
        place.rollback()
    assert place.apply(verify=False).record.verified is None


def test_whom_airflow_refuses_is_told_before_the_first_write(place: Place) -> None:
    deny(place, "RestApiClientException", RestApiStatusCode=403, RestApiResponse={"detail": "Forbidden"})
    with pytest.raises(Problem, match=r"(?s)role Op of flights-dev.*403 Forbidden.*Correct `role`"):
        place.apply()
    assert versions(place) == 0


def test_a_proof_that_can_not_be_had_says_what_is_released(
    place: Place, before_the_proof: Callable[[Callable[[], Any]], None]
) -> None:
    place.apply()
    before_the_proof(lambda: deny(place))
    place.write("dags/helper.py", "X = 2\n")
    with pytest.raises(Problem, match=r"(?s)is released to dev, but not proven.*InvokeRestApi.*release verify -e dev"):
        place.apply()
    assert place.listed()["dags/helper.py"] == b"X = 2\n"


def test_a_silent_web_server_stops_no_release(place: Place) -> None:
    invoke = place.mwaa.invoke_rest_api
    asked: list[str] = []

    def first_silent(request: dict[str, Any]) -> Any:
        asked.append(request["Path"])
        if len(asked) <= 5:  # botocore asks so often
            raise Refused("RestApiServerException", "", RestApiStatusCode=503, RestApiResponse={"detail": "starting"})
        return invoke(request)

    place.mwaa.invoke_rest_api = first_silent  # type: ignore[method-assign]
    done = place.apply()
    assert done.verdict
    assert done.verdict.good
