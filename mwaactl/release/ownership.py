"""Whose release is in the bucket: another project's, or one that this checkout doesn't contain."""

from collections.abc import Iterable

from mwaactl.errors import Problem
from mwaactl.release.contents import DAGS
from mwaactl.release.git import Checkout
from mwaactl.release.planning import Plan

_SHOWN = 3


def foreign(plan: Plan) -> list[Problem]:
    """Return a Problem if the bucket holds files of another project, which this release would remove."""
    name, where = plan.environment.name, f"s3://{plan.environment.bucket}/{plan.environment.key(DAGS)}"
    if plan.state.release is None and plan.state.unfinished is None:
        if not plan.removed:
            return []
        return [
            Problem(
                f"{where} holds {len(plan.removed)} files that no release put there: {_some(plan.removed)}.",
                "A release removes what isn't its own. Give it a `prefix` of its own in infra/environments.yaml, or "
                "repeat with --take-over if they may go.",
            )
        ]
    if plan.current is None:
        return []
    there, ours = _marks(plan.current.files), _marks(plan.wanted.files)
    if there & ours or not there:
        return []
    return [
        Problem(
            f"{name} holds the release {plan.current.release} of another project ({_some(sorted(there))}), by "
            f"{plan.current.who}.",
            "Check bucket and prefix in infra/environments.yaml. If this project takes its place, use --take-over.",
        )
    ]


def newer(plan: Plan, checkout: Checkout) -> list[Problem]:
    """Return a Problem if the release in force was made from a commit that this checkout doesn't contain."""
    current = plan.current
    if plan.environment.is_local or current is None or not current.commit or not checkout.commit:
        return []
    contained = checkout.contains(current.commit)
    if contained:
        return []
    what = f"{plan.environment.name} runs {current.release} of commit {current.commit[:12]} by {current.who}"
    if contained is None:
        return [
            Problem(
                f"{what}, which git does not know here.",
                "Fetch (`git fetch --unshallow`, in CI a checkout with its whole history) and merge it; "
                "or repeat with --take-over.",
            )
        ]
    return [
        Problem(
            f"{what}, which is not part of this checkout: this release would undo it.",
            "Merge that commit first. To go back on purpose: `mwaactl release rollback`, or repeat with --take-over.",
        )
    ]


def _marks(paths: Iterable[str]) -> set[str]:
    """Return the dbt projects and DAG files among `paths`: what a project is known by."""
    found = set()
    for path in paths:
        parts = path.split("/")
        if path.startswith(f"{DAGS}dbt/") and len(parts) > 3:
            found.add("/".join(parts[:3]))
        elif path.startswith(DAGS) and path.endswith(".py"):
            found.add(path)
    return found


def _some(paths: Iterable[str]) -> str:
    listed = list(paths)
    return ", ".join(listed[:_SHOWN]) + (", ..." if len(listed) > _SHOWN else "")
