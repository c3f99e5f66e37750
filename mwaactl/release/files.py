"""Checks of a release's files: sizes, names, secrets, manifests."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath

from mwaa_dbt import render_manifest

from mwaactl import manifest
from mwaactl.errors import Problem
from mwaactl.release.contents import DAGS, PLUGINS, File, plugin_members

#: AWS recommends to stay below it (MWAA user guide, "Custom plugins directory and size limits").
PLUGINS_LIMIT = 2**30
#: Ours: every container fetches every file of dags/, and has 20 GB of disk for everything.
FILE_LIMIT = 100 * 2**20
TOTAL_LIMIT = 2 * 2**30
#: Of S3, in bytes (S3 user guide, "Naming Amazon S3 objects").
KEY_LIMIT = 1024
#: Of MWAA, in characters (botocore: mwaa, UpdateEnvironmentInput).
OPTION_NAME = re.compile(r"[a-z]+([a-z0-9._]*[a-z0-9_]+)?")
OPTION_VALUE = re.compile(r"[ -~]{1,65536}")
_SHOWN = 5


def names_and_sizes(wanted: Mapping[str, File], prefix: str = "") -> list[Problem]:
    """Return what is wrong with the files' names and sizes (`prefix` is the environment's folder in the bucket)."""
    found: list[Problem] = []
    for path, file in wanted.items():
        limit = PLUGINS_LIMIT if path == PLUGINS else FILE_LIMIT
        if file.size > limit:
            found.append(
                Problem(
                    f"{file.origin or path} has {_megabytes(file.size)}, more than {_megabytes(limit)}.",
                    "Load data from S3 instead of shipping it with the DAGs."
                    if path != PLUGINS
                    else "Leave out wheels that MWAA can install from its index.",
                )
            )
        if len(f"{prefix}{path}".encode(errors="replace")) > KEY_LIMIT:
            found.append(
                Problem(f"The name of {file.origin or path} is longer than S3's {KEY_LIMIT} bytes.", "Shorten it.")
            )
        try:
            path.encode()
            clean = path.isprintable() and "\\" not in path and "//" not in path
        except UnicodeEncodeError:
            clean = False
        if not clean:
            found.append(Problem(f"{path!r} has characters that not every tool takes in a key.", "Rename the file."))
        name = PurePosixPath(path)
        if name.parent == PurePosixPath(DAGS) and name.name.startswith("dbt_") and name.suffix == ".py":
            found.append(
                Problem(f"{file.origin or path}: dbt imports modules named dbt_* as its plugins.", "Rename the file.")
            )
    total = sum(file.size for path, file in wanted.items() if path.startswith(DAGS))
    if total > TOTAL_LIMIT:
        found.append(Problem(f"dags/ has {_megabytes(total)}; every container fetches all of it.", "Ship less data."))
    return found


def options(chosen: Mapping[str, str]) -> list[Problem]:
    """Return what MWAA would refuse of the configuration options."""
    return [
        Problem(f"MWAA does not take the option {name}: name or value is of another form.", "See docs/mwaa.md.")
        for name, value in chosen.items()
        if len(name) > 64 or not OPTION_NAME.fullmatch(name) or not OPTION_VALUE.fullmatch(value)
    ]


def _megabytes(size: int) -> str:
    return f"{size / 2**20:,.0f} MB"


def stale_manifests(source: Path) -> list[Problem]:
    """Return the dbt projects whose render manifest is missing or older than its sources, or that lack packages."""
    found = []
    for project in manifest.projects(source / "dbt"):
        folder = source / "dbt" / project
        path = render_manifest.path_of(folder)
        command = f"Run `mwaactl manifest build {project}`."
        try:
            metadata = json.loads(path.read_text())["metadata"]
        except FileNotFoundError:
            found.append(Problem(f"{path} is missing: no DAG of {project} could be rendered.", command))
            continue
        except (OSError, ValueError, KeyError, TypeError) as error:
            found.append(Problem(f"{path} can't be read: {error}", command))
            continue
        if metadata.get("fingerprint") != manifest.fingerprint(folder, str(metadata.get("dbt_version"))):
            found.append(Problem(f"{path} is older than the files it was made from.", command))
        elif manifest.lacks_packages(folder):
            found.append(Problem(f"The dbt packages of {project} are gone: no task could run it.", command))
        elif (pinned := _pinned_dbt(source)) and metadata.get("dbt_version") != pinned:
            made = metadata.get("dbt_version")
            found.append(Problem(f"{path} is of dbt {made}; requirements-dbt.txt says {pinned}.", command))
    return found


def _pinned_dbt(source: Path) -> str | None:
    try:
        text = (source / "requirements-dbt.txt").read_text()
    except OSError:
        return None
    match = re.search(r"^dbt-core==([\w.]+)", text, re.MULTILINE)
    return match[1] if match else None


#: detect-secrets' detectors of things with a form of their own. Those that judge by entropy or by a variable's name
#: are left out: a manifest is full of hashes, and a macro may well be called `password`.
_DETECTORS = (
    *("AWSKeyDetector", "AzureStorageKeyDetector", "BasicAuthDetector", "DiscordBotTokenDetector"),
    *("GitHubTokenDetector", "GitLabTokenDetector", "JwtTokenDetector", "MailchimpDetector", "NpmDetector"),
    *("OpenAIDetector", "PrivateKeyDetector", "PypiTokenDetector", "SendGridDetector", "SlackDetector"),
    *("SquareOAuthDetector", "StripeDetector", "TelegramBotTokenDetector", "TwilioKeyDetector"),
)
_BINARY = {".whl", ".zip", ".gz", ".png", ".parquet", ".msgpack", ".so", ".xlsx", ".pdf", ".jpg"}


def secrets(paths: Iterable[Path]) -> list[Problem]:
    """Return the places where a file holds what looks like a secret; never the secret itself."""
    from detect_secrets.core.scan import scan_file
    from detect_secrets.settings import transient_settings

    found = []
    with transient_settings({"plugins_used": [{"name": name} for name in _DETECTORS]}):
        for path in paths:
            if path.suffix in _BINARY:
                continue
            for secret in scan_file(str(path)):
                found.append(
                    Problem(
                        f"{path}:{secret.line_number} looks like a secret ({secret.type}).",
                        "Put it into Secrets Manager and revoke it. If it is none, end the line with the comment "
                        "`pragma: allowlist secret`.",
                    )
                )
    return found


def to_scan(source: Path, wanted: Mapping[str, File], changed: Iterable[str]) -> Iterator[Path]:
    """Yield the files that a release brings anew and that people write; what dbt builds from them isn't looked at."""
    for path in changed:
        origin = wanted[path].origin
        if path == PLUGINS:
            yield from (file for file in plugin_members(source).values())
        elif origin and f"/{render_manifest.BUILD_FOLDER}/" not in path:
            yield origin
