"""What a person may ask of one DAG run: the trigger form, and what becomes of it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from airflow.sdk import Param

from mwaa_dbt import window
from mwaa_dbt.errors import SelectionError

if TYPE_CHECKING:
    from airflow.sdk import Context

TARGETS = ("dev", "stage", "prod")
#: What can be told from a rendered graph; state:, result: and the like need dbt itself.
METHODS = (
    "tag, path, file, fqn, source, package, resource_type, config.materialized, config.schema, config.tags, config.meta"
)
# No quotes, no backslashes, no leading dash: a term can't be mistaken for an option of dbt.
# Every text matches it in one way only: a long wrong one mustn't keep the task busy.
_TERM = r"@?([0-9]*\+)?[A-Za-z_][A-Za-z0-9_.:/*-]*(\+[0-9]*)?"
_TERMS = rf"^\s*({_TERM}(,{_TERM})*(\s+{_TERM}(,{_TERM})*)*)?\s*$"
_MAX_LENGTH = 2000
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True)
class RunForm:
    """One run's wishes, checked. An empty `select` means every node of the DAG."""

    select: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    full_refresh: bool = False
    target: str = ""
    #: Whether the run names its target itself, and not by the form's default.
    target_given: bool = False
    vars: Mapping[str, Any] = field(default_factory=dict)
    #: Whether sources are looked at first, and what hangs below a stale one is skipped.
    freshness: bool = True

    @property
    def partial(self) -> bool:
        """Whether the run may leave out nodes."""
        return bool(self.select or self.exclude)

    @classmethod
    def of_run(cls, context: Context, default_target: str) -> RunForm:
        """Return the wishes of the run of `context`. Raises SelectionError, as `of` does."""
        return cls.of(context["params"], default_target, window.data_interval(context))

    @classmethod
    def of(
        cls, params: Mapping[str, Any], default_target: str, interval: tuple[datetime, datetime] | None = None
    ) -> RunForm:
        """Return the wishes in a run's `params`; DAGs without the form have none.

        Where the form has a window, it becomes dbt vars; if it is left empty, the run's data `interval` does.

        Raises:
            SelectionError: in words, if a value can't be used.
        """
        target = params.get("target") or default_target
        if not isinstance(target, str) or not _NAME.fullmatch(target):
            raise SelectionError(f"target must be the name of a dbt target, but is {target!r}.")
        full_refresh = _switch(params, "full_refresh")
        asked = window.of(params, interval)
        # What is built from scratch has no rows outside of a window that could stay.
        own = {} if asked is None or full_refresh else asked.dbt_vars()
        return cls(
            select=_terms(params, "select"),
            exclude=_terms(params, "exclude"),
            full_refresh=full_refresh,
            target=target,
            target_given=target != default_target,
            vars={**own, **_vars(params)},
            freshness=_switch(params, "freshness", default=True),
        )


def params(
    default_target: str,
    targets: Sequence[str] = TARGETS,
    *,
    whole: bool = False,
    tests: bool = False,
    freshness: bool = False,
    windowed: bool = False,
) -> dict[str, Param]:
    """Return the trigger form of a DAG that runs dbt nodes; `default_target` is that of runs that name none.

    The others are those of DbtProject.run_params (`windowed` is its `window`).

    Airflow checks what is entered against these schemas before a run exists. The first task checks the rest, selection
    syntax included: Airflow would refuse that with the regular expression it doesn't match, the task does it in words.
    A `description_md` is Markdown on the form; a `description` beside it would be shown in its place, as it is.
    """
    form = {
        "select": Param(
            None,
            type=["null", "string"],
            maxLength=_MAX_LENGTH,
            title="Select",
            description_md="E.g. `fct_flights`, `fct_flights+`, `+tag:daily`: dbt's selection syntax; "
            "blanks mean or, commas mean and. Empty: every node.",
        ),
        "exclude": Param(
            None,
            type=["null", "string"],
            maxLength=_MAX_LENGTH,
            title="Exclude",
            description_md="Nodes to leave out, in the same syntax.",
        ),
        "full_refresh": Param(
            False,
            type="boolean",
            title="Full refresh",
            description_md="Build incremental models and seeds from scratch (`--full-refresh`).",
        ),
        "target": Param(
            default_target,
            type="string",
            enum=list(dict.fromkeys([default_target, *targets])),
            title="Target",
            description_md="dbt target; each has a connection of its own.",
        ),
        "vars": Param(
            {},  # not None: Airflow's form shows [] for an object without a value
            type=["null", "object"],
            title="Vars",
            description_md='Extra dbt vars as JSON, e.g. `{"window_days": 7}`.',
        ),
    }
    if freshness:
        form["freshness"] = Param(
            True,
            type="boolean",
            title="Source freshness",
            description_md="Look at the sources first, and skip what hangs below a stale one.",
        )
    if tests:
        del form["full_refresh"]
    if not whole:
        return {**form, **(window.params() if windowed else {})}
    always = Param(
        True, type="boolean", const=True, title="Full refresh", description_md="This DAG builds from scratch."
    )
    return {name: param for name, param in form.items() if name not in ("select", "exclude")} | {"full_refresh": always}


def _terms(params: Mapping[str, Any], name: str) -> tuple[str, ...]:
    value = params.get(name)
    if value is None:
        return ()
    if not isinstance(value, str):
        raise SelectionError(f"{name} must be a text in dbt's selection syntax, but is {value!r}.")
    if not re.fullmatch(_TERMS, value):
        raise SelectionError(
            f"{name} is {value!r}, which isn't dbt's selection syntax: terms are names or <method>:<value> with +, @ "
            f"and numbers around them; blanks mean or, commas mean and. Methods: {METHODS}."
        )
    return tuple(value.split())


def _switch(params: Mapping[str, Any], name: str, default: bool = False) -> bool:
    value = params.get(name, default)
    if not isinstance(value, bool):
        raise SelectionError(f"{name} must be true or false, but is {value!r}.")
    return value


def _vars(params: Mapping[str, Any]) -> Mapping[str, Any]:
    value = params.get("vars") or {}
    if not isinstance(value, Mapping):
        raise SelectionError(f"vars must be a JSON object of names and values, but is {value!r}.")
    for name in value:
        if not _NAME.fullmatch(str(name)):
            raise SelectionError(f"vars: {name!r} is no name for a dbt var: letters, digits and _ only.")
    return value
