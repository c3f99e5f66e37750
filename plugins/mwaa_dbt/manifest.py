"""Loads render manifests, once per process, with words for whatever is wrong with one."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

from mwaa_dbt.errors import ManifestError
from mwaa_dbt.render_manifest import FORMAT


def load(path: Path, project: str) -> dict[str, Any]:
    """Return the render manifest at `path`, read once per process as long as the file stays the same.

    Args:
        path: the render manifest.
        project: the folder's name, for the messages; its dbt project must have that name too.

    Raises:
        ManifestError: if the file is missing, damaged, of another format, or of another project.
    """
    remedy = f"Run `mwaactl manifest build {project}` and release its result."
    try:
        stat = path.stat()
    except OSError as error:
        raise ManifestError(f"There is no render manifest at {path} ({error.strerror}). {remedy}") from error
    return _load(path, project, remedy, stat.st_mtime_ns, stat.st_size)


@functools.lru_cache(maxsize=32)
def _load(path: Path, project: str, remedy: str, _mtime_ns: int, _size: int) -> dict[str, Any]:
    try:
        manifest = _parse(path.read_bytes())
    except ValueError as error:
        raise ManifestError(f"The render manifest {path} is damaged: {error}. {remedy}") from error
    metadata = manifest.get("metadata") if isinstance(manifest, dict) else None
    if not metadata or not isinstance(manifest.get("nodes"), dict) or metadata.get("format") != FORMAT:
        raise ManifestError(f"{path} is not a render manifest of format {FORMAT}. {remedy}")
    if metadata["project_name"] != project:
        raise ManifestError(
            f"The render manifest {path} was built from the dbt project {metadata['project_name']!r}, not {project!r}. "
            f"The folder below dbt/ and `name` in dbt_project.yml must be the same. {remedy}"
        )
    return manifest


def _parse(content: bytes) -> Any:
    try:
        import orjson
    except ImportError:  # in requirements.txt; slower without
        return json.loads(content)
    return orjson.loads(content)


def check_dbt_version(manifest: dict[str, Any], path: Path, pinned: str | None) -> None:
    """Check that `manifest` was built by the dbt that the virtualenv gets.

    Raises:
        ManifestError: if requirements-dbt.txt pins another dbt-core.
    """
    built_by = manifest["metadata"]["dbt_version"]
    if pinned and built_by != pinned:
        raise ManifestError(
            f"The render manifest {path} was built by dbt {built_by}, but requirements-dbt.txt pins {pinned}. "
            f"Run `mwaactl manifest build {manifest['metadata']['project_name']}` and release its result."
        )
