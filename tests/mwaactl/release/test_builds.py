"""A project that was built again: other bytes of the same content are no change."""

import json
from pathlib import Path

import pytest

from mwaactl import manifest
from tests import projects
from tests.mwaactl.release.conftest import Place

BUILD = "dbt/shop/build"
MODELS = {"models/a.sql": "select 1 as id", "models/b.sql": "select id from {{ ref('a') }}"}


def built(place: Place, number: int, **read: str) -> None:
    """Write what a build leaves that is the `number`th of the project as it is."""
    place.build()
    place.write(f"{BUILD}/manifest.json", json.dumps({"metadata": {"invocation_id": number}}))
    place.write(f"{BUILD}/partial_parse.dev.msgpack", f"parse {number}")
    note = {"invocation_id": str(number), "read": {"type": "duckdb", "schema": "main", **read}}
    place.write(f"{BUILD}/partial_parse.dev.json", json.dumps(note))


def changed(place: Place) -> list[str]:
    """Apply and return the build files that were written."""
    done = place.apply(verify=False)
    return [path.removeprefix(f"dags/{BUILD}/") for path in done.plan.uploads if f"{BUILD}/" in path]


ALL = ["manifest.json", "partial_parse.dev.json", "partial_parse.dev.msgpack"]


def test_two_builds_by_dbt_are_one_release(place: Place, tmp_path: Path) -> None:
    """With the real dbt, as on two runners of CI."""
    projects.small(place.source / "dbt", "shop", MODELS)

    def build() -> dict[str, bytes]:
        manifest.build("shop", lambda text: None, root=place.source / "dbt", force=True)
        return {path.name: path.read_bytes() for path in (place.source / BUILD).iterdir()}

    first = build()
    place.apply()
    before = place.listed()
    second = build()
    assert sorted(name for name in first if first[name] != second[name]) == ALL  # else this proves nothing
    assert place.apply().nothing
    assert place.listed() == before
    (place.source / "dbt/shop/models/a.sql").write_text("select 2 as id")
    build()
    assert changed(place) == [*ALL, "render_manifest.json"]


def test_a_build_stays_beside_other_changes_and_the_record_says_so(place: Place) -> None:
    built(place, 1)
    first = place.apply().record
    built(place, 2)
    place.write("dags/helper.py", "X = 2\n")
    done = place.apply()
    assert done.plan.uploads == ("dags/helper.py",)
    parse = f"dags/{BUILD}/partial_parse.dev.msgpack"
    assert done.record.files[parse] == first.files[parse]
    assert place.listed()[parse] == b"parse 1"
    assert place.apply().nothing


def test_a_rollback_brings_back_the_very_build(place: Place) -> None:
    built(place, 1)
    first = place.apply()
    place.write("plugins/mwaa_x/__init__.py", "X = 1\n")
    built(place, 2)
    place.apply()
    back = place.rollback()
    assert place.listed()[f"dags/{BUILD}/manifest.json"] == b'{"metadata": {"invocation_id": 1}}'
    assert {path: one.sha256 for path, one in back.record.files.items()} == {
        path: one.sha256 for path, one in first.record.files.items()
    }


def another_connection(place: Place) -> None:
    built(place, 2, schema="other")


def another_target(place: Place) -> None:
    built(place, 2)
    place.write(f"{BUILD}/partial_parse.prod.msgpack", "parse for prod")


def another_dbt(place: Place) -> None:
    built(place, 2)
    place.write("requirements-dbt.txt", "dbt-core==1.11.0\ndbt-duckdb==1.10.1\n")


def other_sources(place: Place) -> None:
    place.write("dbt/shop/models/a.sql", "select 3")
    built(place, 2)


def a_damaged_object(place: Place) -> None:
    built(place, 2)
    key = f"dags/{BUILD}/partial_parse.dev.msgpack"
    place.s3.put_object(Bucket=place.environment.bucket, Key=key, Body=b"by hand")


def a_damaged_note(place: Place) -> None:
    built(place, 2)
    place.write(f"{BUILD}/partial_parse.dev.json", "{}")


@pytest.mark.parametrize(
    ("change", "also"),
    [
        (another_connection, []),
        (another_target, ["partial_parse.prod.msgpack"]),
        (another_dbt, []),
        (other_sources, ["render_manifest.json"]),
        (a_damaged_object, []),
        (a_damaged_note, []),
    ],
)
def test_a_build_of_something_else_goes_as_a_whole(place: Place, change: object, also: list[str]) -> None:
    built(place, 1)
    assert changed(place)
    built(place, 2)
    assert changed(place) == []
    change(place)  # type: ignore[operator]
    assert changed(place) == [*ALL, *also]
