"""Check: the DAG files import, under the Airflow of the environment, without network, Variable or Connection."""

import hashlib
import io
import json
import os
import subprocess
import tempfile
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

from mwaactl.errors import Problem
from mwaactl.local import image, options
from mwaactl.local.layout import REPOSITORY
from mwaactl.local.state import read_json, write_json
from mwaactl.release.contents import DAGS, PLUGINS, REQUIREMENTS, File

PROBE = Path(__file__).with_name("probe.py")
#: Where answers are kept, by the hash of everything they depend on.
CACHE = REPOSITORY / ".local" / "dag-imports"
_LIMIT = 600
#: Files of dbt projects that rendering doesn't read: a change of one needs no new import.
_NOT_READ = (".sql", ".csv", ".md", ".msgpack", "/build/manifest.json")
_LINES = 12


def dags(
    wanted: Mapping[str, File],
    chosen: Mapping[str, str],
    version: str,
    told: Callable[[str], None],
    venvs: Path = REPOSITORY / ".local" / "venvs",
) -> dict[str, str]:
    """Return the ids of the DAGs in the release's files, each with its file (relative to dags/).

    `chosen` are the environment's configuration options, `version` its Airflow. Builds the virtualenv with that Airflow
    and the release's requirements.txt when there is none (minutes). The answer is kept by content hash.
    Raises Problem when a DAG file doesn't import, when there is no DAG, or when requirements.txt can't be installed.
    """
    if version not in (path.name for path in image.IMAGES.iterdir()):
        known = ", ".join(sorted(path.name for path in image.IMAGES.iterdir()))
        raise Problem(
            f"The environment has Airflow {version}, of which mwaactl knows no image.",
            f"Known are {known}. Use a newer mwaactl, or repeat with --skip dag-imports.",
        )
    with tempfile.TemporaryDirectory(prefix="mwaactl-dags-") as folder:
        home = Path(folder).resolve()
        requirements = home / "requirements.txt"
        requirements.write_bytes(wanted[REQUIREMENTS].read())
        told(f"Airflow {version} with requirements.txt")
        venv = image.environment(venvs, version, requirements, told)
        cached = CACHE / f"{_key(wanted, chosen, venv)}.json"
        if known_answer := read_json(cached):
            return dict(known_answer["dags"])
        told("importing the DAG files")
        answer = _import(home, wanted, chosen, venv)
        if not answer["errors"] and answer["dags"]:
            write_json(cached, answer)
    return _judged(answer)


def _key(wanted: Mapping[str, File], chosen: Mapping[str, str], venv: Path) -> str:
    digest = hashlib.sha256(f"{venv.name} {json.dumps(dict(chosen), sort_keys=True)}\n".encode())
    digest.update(PROBE.read_bytes())
    for path in sorted(wanted):
        read = path == PLUGINS or (
            path.startswith(DAGS) and not (path.startswith(f"{DAGS}dbt/") and path.endswith(_NOT_READ))
        )
        if read:
            digest.update(f"{path}\0{wanted[path].sha256}\n".encode())
    return digest.hexdigest()


def _import(home: Path, wanted: Mapping[str, File], chosen: Mapping[str, str], venv: Path) -> dict[str, dict[str, str]]:
    for path, file in wanted.items():
        if path.startswith(DAGS):
            where = home / path
            where.parent.mkdir(parents=True, exist_ok=True)
            where.write_bytes(file.read())
    with zipfile.ZipFile(io.BytesIO(wanted[PLUGINS].read())) as archive:
        archive.extractall(home / "plugins")
    folder = home / "dags"
    folder.mkdir(exist_ok=True)
    keep = {name: os.environ[name] for name in ("PATH", "LANG", "HOME") if name in os.environ}
    # The options that say where secrets come from are of no use without a network.
    own = {name: value for name, value in chosen.items() if not name.startswith("secrets.")}
    environment = {
        **keep,
        **options.variables(own),
        "AIRFLOW_HOME": str(home / "airflow"),
        "AIRFLOW__CORE__DAGS_FOLDER": str(folder),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(home / "plugins"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home / 'never-made.db'}",
        "PYTHONPATH": f"{home / 'plugins'}:{folder}",
        "DO_NOT_TRACK": "1",
    }
    try:
        done = subprocess.run(
            [str(venv / "bin" / "python"), str(PROBE), str(folder)],
            env=environment,
            cwd=home,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=_LIMIT,
        )
    except subprocess.TimeoutExpired as error:
        raise Problem(f"Importing the DAG files took more than {_LIMIT} s.", "Do less at import.") from error
    if done.returncode:
        lines = "\n    ".join(done.stderr.strip().splitlines()[-_LINES:])
        raise Problem(f"Airflow could not look at the DAG files:\n    {lines}", "Correct what it names.")
    answer: dict[str, dict[str, str]] = json.loads(done.stdout.splitlines()[-1])
    return answer


def _judged(answer: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    if answer["errors"]:
        texts = [
            f"dags/{path} can't be imported:\n    " + "\n    ".join(error.strip().splitlines()[-_LINES:])
            for path, error in sorted(answer["errors"].items())
        ]
        raise Problem("\n".join(texts), "Correct the file. Nothing was released.")
    if not answer["dags"]:
        raise Problem("There is no DAG in dags/.", "Put one there; a file without a DAG schedules nothing.")
    return dict(answer["dags"])
