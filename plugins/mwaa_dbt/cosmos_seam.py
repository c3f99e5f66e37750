"""The one place where Cosmos' insides are touched: where a manifest comes from.

``DbtGraph._load_manifest_from_file`` reads and parses the file for every task group of every DAG (cosmos#2294). For a
project of ours it gets the render manifest that this process has read already; other projects are left alone.
tests/mwaa_dbt/test_cosmos_seam.py fails when Cosmos changes underneath.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Collection
from pathlib import Path
from typing import Any

from cosmos.config import ProjectConfig
from cosmos.constants import TestBehavior
from cosmos.dbt.graph import DbtGraph

from mwaa_dbt import behavior, manifest, render_manifest, settings, task_scope


class RenderedProject(ProjectConfig):
    """A Cosmos project whose manifest is a render manifest, checked and read once per process."""

    def __init__(
        self,
        name: str,
        project_dir: Path,
        default_behavior: TestBehavior,
        wanted: Collection[TestBehavior] = behavior.BESIDE,
    ) -> None:
        self.render_manifest_path = render_manifest.path_of(project_dir)
        super().__init__(
            dbt_project_path=project_dir,
            manifest_path=self.render_manifest_path,
            project_name=name,
            install_dbt_deps=False,
        )
        self.default_behavior = default_behavior
        self._wanted = wanted
        self._cut: dict[str, Any] | None = None

    def validate_project(self) -> None:
        """Check the manifest, in our words.

        Raises:
            ManifestError: if it is missing, damaged, or another project's.
        """
        self.rendered_manifest()

    def is_manifest_available(self) -> bool:
        """Return True: `validate_project` came first."""
        return True

    def for_task(self, task: str) -> RenderedProject | None:
        """Return this project with only what `task` (its id below the group) needs; None if that can't be told."""
        cut = task_scope.cut_to_task(self.render_manifest_path, task)
        if cut is None:
            return None
        scoped = copy.copy(self)
        scoped._cut = cut
        return scoped

    def hooks(self) -> tuple[str, ...]:
        """Return which hooks the project has: on-run-start, on-run-end.

        Raises:
            ManifestError: if the manifest can't be used.
        """
        try:
            with self.render_manifest_path.open("rb") as file:
                head = json.loads(file.readline().rstrip(b",\n") + b"}")
            return tuple(head["metadata"]["hooks"])
        except (OSError, ValueError, KeyError, TypeError):  # reading all of it says what is wrong
            return tuple(self.rendered_manifest()["metadata"].get("hooks") or ())

    def rendered_manifest(self) -> dict[str, Any]:
        """Return the manifest that Cosmos is to render.

        Raises:
            ManifestError: if it is missing, damaged, another project's, or built by another dbt.
        """
        loaded = self._cut
        if loaded is None:
            path = self.render_manifest_path
            loaded = manifest.load(path, self.project_name)
            manifest.check_dbt_version(loaded, path, settings.pinned_dbt_version())
        return behavior.without_unwanted_tests(loaded, self.default_behavior, self._wanted)


_load_from_file = DbtGraph._load_manifest_from_file


def _load_manifest(self: DbtGraph, manifest_path: Any) -> dict[str, Any]:
    if isinstance(self.project, RenderedProject):
        return self.project.rendered_manifest()
    return _load_from_file(self, manifest_path)


DbtGraph._load_manifest_from_file = _load_manifest
