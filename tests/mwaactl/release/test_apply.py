"""apply: what is written, in which order, and what is on record afterwards."""

from typing import Any

from mwaactl import release
from mwaactl.release import pointer, record
from tests.mwaactl.release.conftest import Place


def puts(place: Place) -> set[tuple[str, str]]:
    """Return key and version of all that was ever written to the bucket."""
    found: list[dict[str, Any]] = place.s3.list_object_versions(Bucket=place.environment.bucket).get("Versions", [])
    return {(one["Key"], one["VersionId"]) for one in found}


def test_the_first_release_holds_all_files_and_is_on_record(place: Place) -> None:
    done = place.apply()
    wanted = done.plan.wanted.files
    assert {path: file.read() for path, file in wanted.items()} == place.listed()
    there = record.read(place.s3, place.environment, done.record.release)
    assert there.files.keys() == wanted.keys()
    assert all(there.files[path].sha256 == file.sha256 for path, file in wanted.items())
    for path, stored in there.files.items():
        head = place.s3.head_object(Bucket=place.environment.bucket, Key=path)
        assert (stored.version, stored.size) == (head["VersionId"], head["ContentLength"])
    assert there.who.startswith("arn:aws:sts::123456789012:")
    assert there.dags == {"one": "one.py", "two": "two.py"}
    assert there.verified
    assert there.verified["good"]
    state = pointer.read(place.s3, place.environment)
    assert (state.release, state.unfinished, state.lease) == (done.record.release, None, None)


def test_the_environment_is_built_from_the_versions_on_record(place: Place) -> None:
    done = place.apply()
    (update,) = place.mwaa.updates
    assert update["PluginsS3ObjectVersion"] == done.record.pins["plugins.zip"]
    own = {"mwaa_dbt.target": "dev", "mwaa_dbt.bucket": place.environment.bucket}
    assert update["AirflowConfigurationOptions"] == {"core.parallelism": "8", **own}
    assert place.mwaa.environment["RequirementsS3ObjectVersion"] == done.record.files["requirements.txt"].version


def test_nothing_changed_nothing_written(place: Place) -> None:
    place.apply()
    before = puts(place)
    assert place.apply().nothing
    assert puts(place) == before
    assert len(place.mwaa.updates) == 1


def test_one_change_is_one_upload_and_no_update(place: Place) -> None:
    first = place.apply()
    place.write("dags/helper.py", "X = 2\n")
    before = puts(place)
    done = place.apply()
    new = [key for key, _ in puts(place) - before if not key.startswith("mwaactl/")]
    assert new == ["dags/helper.py"]
    assert len(place.mwaa.updates) == 1
    assert done.record.previous == first.record.release
    assert done.record.files["dags/one.py"] == first.record.files["dags/one.py"]


def test_requirements_lead_to_a_graceful_update_and_keep_the_other_versions(place: Place) -> None:
    first = place.apply()
    place.write("requirements.txt", "a==2\n")
    done = place.apply()
    assert place.mwaa.environment["LastUpdate"]["WorkerReplacementStrategy"] == "GRACEFUL"
    assert done.plan.update
    assert done.plan.update.files == ("requirements.txt",)
    assert done.record.pins["plugins.zip"] == first.record.pins["plugins.zip"]
    assert done.record.pins["requirements.txt"] != first.record.pins["requirements.txt"]


def test_a_graceful_first_update_is_refused_in_words_and_leaves_nothing(place: Place) -> None:
    import pytest

    from mwaactl.errors import Problem

    with pytest.raises(Problem, match=r"(?s)MWAA refused to update.*FORCED update first.*--replacement forced"):
        place.apply(replacement="GRACEFUL")
    assert place.mwaa.updates == []
    assert pointer.read(place.s3, place.environment).lease is None
    place.apply()
    assert place.mwaa.environment["LastUpdate"]["WorkerReplacementStrategy"] == "FORCED"


def test_an_option_alone_leads_to_an_update(place: Place) -> None:
    place.apply()
    place.write("infra/configuration-options.yaml", "core.parallelism: '9'\n")
    done = place.apply()
    assert done.plan.update
    assert (done.plan.update.files, done.plan.update.options) == ((), ("core.parallelism",))
    assert place.mwaa.environment["AirflowConfigurationOptions"]["core.parallelism"] == "9"


def test_plan_writes_nothing(place: Place) -> None:
    found = release.plan(place.environment, place.source)
    assert found.added
    assert found.update
    assert found.update.strategy == "FORCED"
    assert puts(place) == set()
    assert place.mwaa.updates == []


def test_drift_is_seen_and_put_right(place: Place) -> None:
    done = place.apply()
    bucket = place.environment.bucket
    place.s3.put_object(Bucket=bucket, Key="dags/one.py", Body=b"by hand  # dag: one")
    place.s3.put_object(Bucket=bucket, Key="dags/stray.py", Body=b"by hand")
    place.s3.delete_object(Bucket=bucket, Key="dags/two.py")
    found = release.plan(place.environment, place.source)
    assert found.drifted == ("dags/one.py", "dags/stray.py", "dags/two.py")
    assert (found.changed, found.removed, found.added) == (("dags/one.py",), ("dags/stray.py",), ("dags/two.py",))
    again = place.apply()
    assert again.record.previous == done.record.release
    assert place.listed() == {path: file.read() for path, file in again.plan.wanted.files.items()}


def test_a_failed_update_leaves_the_release_before_whole(place: Place) -> None:
    import pytest

    from mwaactl.errors import Problem

    place.apply()
    before = place.listed()
    place.write("startup.sh", "exit 1\n")
    place.write("dags/one.py", "from airflow.sdk import DAG\nDAG('one')  # dag: one, newer\n")
    place.mwaa.fail_updates = True
    with pytest.raises(Problem, match=r"could not update.*startup\.sh failed"):
        place.apply()
    assert place.listed() == before
    state = pointer.read(place.s3, place.environment)
    assert (state.unfinished, state.lease) == (None, None)
    place.mwaa.fail_updates = False
    place.apply()
    assert place.listed()["startup.sh"] == b"exit 1\n"


def test_a_prefix_keeps_everything_below_it(place: Place) -> None:
    import dataclasses

    place.environment = dataclasses.replace(place.environment, prefix="team/a")
    place.mwaa.environment["DagS3Path"] = "team/a/dags"
    place.apply(verify=False)
    assert all(key.startswith("team/a/") for key, _ in puts(place))
    assert place.apply(verify=False).nothing
