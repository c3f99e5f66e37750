"""What a pull request changes in the DAGs: tasks, and where tests run. Both sides are rendered by the real Airflow."""

import json
import zipfile
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from mwaactl.ci import rendering
from mwaactl.environments import Environment
from mwaactl.errors import Problem
from mwaactl.local import options
from mwaactl.release import pointer, record
from mwaactl.release.contents import PLUGINS

_NOWHERE = "not on Airflow"

Rendered = dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Changes:
    """Tasks as `dag_id.task_id`; `moved` says of a test's unique id where it ran and where it will. `notes`: DAGs that
    couldn't be compared, and why."""

    added: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    moved: dict[str, tuple[str, str]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def between(environment: Environment, source: Path, folder: Path, heads: dict[str, dict[str, Any]]) -> Changes:
    """Compare the DAGs that are released to `environment` with those of `source`; works in `folder`.

    Each side has its own plugins and configuration options. `heads` are dbt's manifests of the projects that were
    parsed just now; of others the built manifest is taken. Raises Problem when `source` has no configuration options,
    or when the release has no plugins.zip.
    """
    base, head = folder / "released", folder / "changed"
    if not _fetch(environment, base):
        return Changes(notes=["There is no release in the bucket to compare the DAGs with."])
    rendering.copy(source, head, heads)
    chosen = {**options.read(source), **environment.own_options}
    notes: list[str] = []
    try:
        released_options: Mapping[str, str] = _options(environment)
    except Problem as error:
        released_options = chosen
        notes.append(f"The released DAGs are rendered with the configuration options of here: {error.what}")
    plugins = folder / "released-plugins", source / "plugins"
    with ThreadPoolExecutor(2) as pool:
        before, after = pool.map(rendering.render, (base, head), plugins, (released_options, chosen))
    notes += [f"{file} can't be imported as it is released: {text}" for file, text in before["errors"].items()]
    notes += [f"{file} can't be imported: {text}" for file, text in after["errors"].items()]
    return compare(_tasks(before), _tasks(after), _tests(base), _tests(head), notes)


def compare(
    before: Rendered,
    after: Rendered,
    tests_before: dict[str, list[str]],
    tests_after: dict[str, list[str]],
    notes: list[str],
) -> Changes:
    """Return what is different; the tests of each side are unique ids, with the nodes that each test is about."""
    old = {f"{dag_id}.{task_id}" for dag_id, tasks in before.items() for task_id in tasks}
    new = {f"{dag_id}.{task_id}" for dag_id, tasks in after.items() for task_id in tasks}
    places = places_of_tests(before, tests_before), places_of_tests(after, tests_after)
    moved = {
        test: (places[0][test], places[1][test])
        for test in sorted(places[0].keys() & places[1].keys())
        if places[0][test] != places[1][test]
    }
    return Changes(sorted(new - old), sorted(old - new), moved, notes)


def places_of_tests(rendered: Rendered, tests: dict[str, list[str]]) -> dict[str, str]:
    """Return the task (or tasks) that each test runs in."""
    found: dict[str, set[str]] = {test: set() for test in tests}
    for dag_id, tasks in rendered.items():
        own = {test for task in tasks.values() for test in task["nodes"] if test in tests}
        for task_id, task in tasks.items():
            about = set(task["nodes"])
            for test, parents in tests.items():
                # A task that builds or tests nodes runs their tests, but for those that have a task themselves.
                with_nodes = task["verb"] in ("build", "test") and test not in own and about & set(parents)
                if test in about or with_nodes:
                    found[test].add(f"{dag_id}.{task_id}")
    return {test: ", ".join(sorted(places)) or _NOWHERE for test, places in found.items()}


def _fetch(environment: Environment, folder: Path) -> bool:
    """Fetch what is released and needed to render DAGs; return whether there is anything."""
    s3, prefix = environment.client("s3"), environment.key("dags/")
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=environment.bucket, Prefix=prefix)
    keys = [one["Key"] for page in pages for one in page.get("Contents", ())]

    def wanted(path: str) -> bool:
        parts = path.split("/", 2)
        return parts[0] != "dbt" or (len(parts) == 3 and parts[2] in rendering.PROJECT_FILES)

    def fetch(key: str) -> None:
        path = folder / key.removeprefix(prefix)
        path.parent.mkdir(parents=True, exist_ok=True)
        s3.download_file(environment.bucket, key, str(path))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(fetch, [key for key in keys if wanted(key.removeprefix(prefix)) and not key.endswith("/")]))
    if keys:
        archive = folder.with_name(PLUGINS)
        try:
            s3.download_file(environment.bucket, environment.key(PLUGINS), str(archive))
        except ClientError as error:
            raise Problem(
                f"s3://{environment.bucket}/{environment.key(PLUGINS)} can't be read: {error}",
                "Release again, or allow s3:GetObject on it.",
            ) from error
        try:
            with zipfile.ZipFile(archive) as opened:
                opened.extractall(folder.with_name(f"{folder.name}-plugins"))
        except zipfile.BadZipFile as error:
            raise Problem(
                f"s3://{environment.bucket}/{environment.key(PLUGINS)} can't be unpacked: {error}", "Release again."
            ) from error
    return bool(keys)


def _options(environment: Environment) -> Mapping[str, str]:
    """Return the configuration options of the release in force. Raises Problem when there is no record of it."""
    s3 = environment.client("s3")
    release = pointer.read(s3, environment).release
    if release is None:
        raise Problem("No release is in force.")
    return record.read(s3, environment, release).options


def _tasks(rendered: dict[str, Any]) -> Rendered:
    return {dag_id: dag["tasks"] for dag_id, dag in rendered["dags"].items()}


def _tests(folder: Path) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for path in folder.glob(f"dbt/*/{rendering.PROJECT_FILES[1]}"):
        nodes = json.loads(path.read_text(encoding="utf-8"))["nodes"]
        found |= {one: node["depends_on"]["nodes"] for one, node in nodes.items() if node["resource_type"] == "test"}
    return found
