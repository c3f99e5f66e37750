"""The order in which a release's files may be seen.

MWAA's containers sync dags/ file by file, about every 30 s, each on its own clock (MWAA user guide, "Adding or updating
DAGs"). A container that syncs in the middle of an upload has what was there when it listed the bucket, in an order of
its own. So files are written in stages, each of which is complete on every container before the next begins.
"""

import re
from collections.abc import Iterable
from pathlib import PurePosixPath

from mwaactl.release.contents import DAGS, ENVIRONMENT_FILES

#: Seconds until every container has what was in the bucket when they began: one interval of MWAA's sync, and its work.
SYNC_SECONDS = 40.0

ENVIRONMENT, PROJECT, MANIFEST, SUPPORT, PERHAPS, DAG = range(6)
NAMES = ("environment files", "dbt projects", "manifests", "DAGs' helpers", "modules that may be DAGs", "DAGs")
#: What certainly makes a DAG.
_MAKES_DAG = re.compile(r"\b(DAG|Dag)\(|@dag\b")
_PROJECT_FILE = re.compile(rf"{DAGS}dbt/([^/]+)/(.+)")
_BUILD = "build/"


def stage_of(path: str, content: bytes | None = None) -> int:
    """Return the stage in which the file at `path` (in the bucket) is written.

    A DAG comes after the modules it imports, after the manifest it is rendered from, after the project that the
    manifest names. `content` tells a DAG file from a helper; without it, a Python file counts as a DAG. Of a file that
    Airflow looks for DAGs in, but that shows none (a function of a helper may make it), neither is known: it comes
    after the helpers and before the DAGs.
    """
    if path in ENVIRONMENT_FILES:
        return ENVIRONMENT
    if match := _PROJECT_FILE.fullmatch(path):
        return MANIFEST if match[2].startswith(_BUILD) else PROJECT
    if not path.endswith(".py"):
        return SUPPORT
    if content is None:
        return DAG
    text = content.decode(errors="replace")
    # Airflow's own rule (airflow/utils/file.py, might_contain_dag_via_default_heuristic).
    low = text.lower()
    if "airflow" not in low or not ("dag" in low or "asset" in low):
        return SUPPORT
    return DAG if _MAKES_DAG.search(text) else PERHAPS


def moved(added: Iterable[str], removed: Iterable[str]) -> set[str]:
    """Return those of the `removed` files that only moved to another folder of their dbt project.

    dbt refuses a project in which two files define one model, so the old place is cleared as soon as the new one is
    written, not at the end.
    """

    def of_project(paths: Iterable[str]) -> dict[str, tuple[str, str]]:
        matches = ((path, _PROJECT_FILE.fullmatch(path)) for path in paths)
        return {
            path: (match[1], PurePosixPath(path).name)
            for path, match in matches
            if match and not match[2].startswith(_BUILD)
        }

    there = set(of_project(added).values())
    return {path for path, name in of_project(removed).items() if name in there}
