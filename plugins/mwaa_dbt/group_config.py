"""What one task group renders, and how."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from cosmos.config import ProfileConfig, RenderConfig
from cosmos.constants import DbtResourceType, LoadMode, SourceRenderingBehavior, TestBehavior

from mwaa_dbt.cosmos_seam import RenderedProject
from mwaa_dbt.run_form import RunForm

Resolve = Callable[[RunForm], set[str]]


@dataclass(frozen=True)
class GroupConfig:
    """What one group renders: `select` and `exclude` in the syntax of Cosmos' RenderConfig."""

    project: RenderedProject
    profile: ProfileConfig
    select: tuple[str, ...]
    exclude: tuple[str, ...]
    operator_args: dict[str, Any]
    resolve: Resolve
    task_scope: bool

    def task_args(self) -> dict[str, Any]:
        """Return what Cosmos' converter hands to every task (cosmos/converter.py, `task_args`), for those we add."""
        return {
            **self.operator_args,
            "project_dir": self.project.dbt_project_path,
            "partial_parse": True,
            "profile_config": self.profile,
            "install_deps": False,
        }

    def render_config(self, converters: dict[DbtResourceType, Callable[..., Any]] | None = None) -> RenderConfig:
        """Return Cosmos' configuration of the group.

        Cosmos itself always sees ``after_each``, so that it finds the tests with several parents; what a node wants
        instead, its converter knows.
        """
        return RenderConfig(
            load_method=LoadMode.DBT_MANIFEST,
            select=list(self.select),
            exclude=list(self.exclude),
            test_behavior=TestBehavior.AFTER_EACH,
            should_detach_multiple_parents_tests=True,
            source_rendering_behavior=SourceRenderingBehavior.NONE,
            emit_datasets=False,
            enable_owner_inheritance=False,
            node_converters=converters,
        )
