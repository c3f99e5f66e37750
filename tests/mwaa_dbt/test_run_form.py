"""The trigger form: what Airflow lets through, and what becomes of it."""

from __future__ import annotations

import copy
import json
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import DAG
from airflow.sdk.definitions.param import ParamsDict
from airflow.sdk.exceptions import ParamValidationError
from mwaa_dbt import run_form, window
from mwaa_dbt.errors import SelectionError
from mwaa_dbt.run_form import RunForm

GOOD: list[dict[str, Any]] = [
    {},
    {"select": None, "exclude": None, "vars": None},
    {"select": ""},
    {"select": "fct_orders"},
    {"select": "+fct_orders+ tag:daily,path:models/marts  @int_paid"},
    {"select": "2+rpt_sales+3", "exclude": "config.materialized:view resource_type:seed"},
    {"select": "path:models/marts/fct_orders.sql"},
    {"select": "fqn:zoo.staging.stg_orders source:shop.visits+"},
    {"full_refresh": True, "target": "prod"},
    {"vars": {"window_days": 7, "names": ["a"], "deep": {"a": None}}},
]
#: Airflow lets these through: the task refuses them, in words.
BAD_SYNTAX = [
    "--vars",
    "fct_orders --full-refresh",
    "-s",
    "+-x",
    "fct_orders; rm -rf /",
    "$(id)",
    "`id`",
    "a|b",
    "a\\b",
    "'a'",
    "{{ 1 }}",
    "a,,b",
    ",a",
    "a, b",
    *("-a", "a -b", "a --b", " -a", "\t-a", "\n--a", "a,-b", "a,--b", "+-a", "1-a", "@-a"),
]
#: Airflow refuses these before there is a run.
BAD: list[dict[str, Any]] = [
    {"select": 5},
    {"select": ["fct_orders"]},
    {"select": "a" * 2001},
    {"full_refresh": "yes"},
    {"full_refresh": None},
    {"target": "--x"},
    {"target": "nowhere"},
    {"target": 5},
    {"vars": "a: 1"},
    {"vars": [1]},
]


@pytest.fixture
def dag() -> DAG:
    with DAG("form", schedule=None, params=run_form.params("dev")) as dag:
        pass
    return dag


def filled_in(dag: DAG, values: dict[str, Any]) -> dict[str, Any]:
    """Return what Airflow makes of `values` when somebody triggers a run with them (REST, CLI, form)."""
    form = ParamsDict(copy.deepcopy(dict(dag.params.items())))
    form.update(values)
    return dict(form.validate())


def test_the_form_is_valid_as_it_is(dag: DAG) -> None:
    dag.validate()
    assert filled_in(dag, {}) == {
        "select": None,
        "exclude": None,
        "full_refresh": False,
        "target": "dev",
        "vars": {},  # Airflow's form shows [] where there is no value
    }
    for param in (dag.params.get_param(name) for name in dag.params):
        assert param.schema["title"]
        # One of the two: Airflow shows a plain description in place of one in Markdown.
        assert bool(param.description) != bool(param.schema.get("description_md"))
        assert "`" not in (param.description or "")
    json.dumps({name: dag.params.get_param(name).schema for name in dag.params})


@pytest.mark.parametrize("values", GOOD, ids=str)
def test_good_values_get_through(dag: DAG, values: dict[str, Any]) -> None:
    form = RunForm.of(filled_in(dag, values), "dev")
    assert form.partial == bool((values.get("select") or "").strip() or values.get("exclude"))
    assert form.select == tuple((values.get("select") or "").split())
    assert form.vars == (values.get("vars") or {})


@pytest.mark.parametrize("values", BAD, ids=str)
def test_bad_values_are_refused_before_there_is_a_run(dag: DAG, values: dict[str, Any]) -> None:
    with pytest.raises(ParamValidationError):
        filled_in(dag, values)


@pytest.mark.parametrize(
    "values", [bad for bad in BAD if not {"nowhere", "a" * 2001} & {*map(str, bad.values())}], ids=str
)
def test_bad_values_are_refused_by_the_task_too(values: dict[str, Any]) -> None:
    """Airflow doesn't check the params of every way into a run."""
    if values == {"full_refresh": None}:
        values = {"full_refresh": "False"}
    with pytest.raises(SelectionError) as error:
        RunForm.of(values, "dev")
    (name,) = values
    assert name in str(error.value)


@pytest.mark.parametrize("text", BAD_SYNTAX)
@pytest.mark.parametrize("name", ["select", "exclude"])
def test_the_task_says_what_selection_syntax_is(dag: DAG, name: str, text: str) -> None:
    with pytest.raises(SelectionError, match=f"{name} is .*isn't dbt's selection syntax: terms are names"):
        RunForm.of(filled_in(dag, {name: text}), "dev")


@pytest.mark.parametrize("name", ["--flag", "a b", "a-b", "", "{{ x }}"])
def test_names_of_vars_are_names(name: str) -> None:
    with pytest.raises(SelectionError, match="vars"):
        RunForm.of({"vars": {name: 1}}, "dev")


def test_target(dag: DAG) -> None:
    assert dag.params.get_param("target").schema["enum"] == ["dev", "stage", "prod"]
    assert run_form.params("blue")["target"].schema["enum"] == ["blue", "dev", "stage", "prod"]
    assert RunForm.of({"target": "prod"}, "dev").target_given
    assert not RunForm.of({"target": "dev"}, "dev").target_given
    assert RunForm.of({}, "dev") == RunForm(target="dev")


def test_a_dag_without_the_form_runs_everything(dbt_root: Path) -> None:
    from tests.mwaa_dbt import rendering

    assert "select_nodes" not in rendering.ours("zoo").task_ids
    assert not RunForm.of({}, "dev").partial


JANUARY = (datetime(2013, 1, 1, tzinfo=UTC), datetime(2013, 2, 1, tzinfo=UTC))
JANUARY_VARS = {"window_start": "2013-01-01 00:00:00", "window_end": "2013-02-01 00:00:00"}
EMPTY = {"first_day": None, "last_day": None}


def test_the_window_comes_from_the_form_then_from_the_data_interval_then_there_is_none() -> None:
    asked = {"first_day": "2013-01-01", "last_day": "2013-01-31"}
    other = (JANUARY[1], JANUARY[1] + timedelta(days=1))
    assert RunForm.of(asked, "dev", other).vars == JANUARY_VARS
    assert RunForm.of(EMPTY, "dev", JANUARY).vars == JANUARY_VARS
    assert RunForm.of(EMPTY, "dev").vars == {}
    assert RunForm.of({}, "dev", JANUARY).vars == {}, "a form without the fields has no window"
    assert RunForm.of({**asked, "full_refresh": True}, "dev").vars == {}, "from scratch is from scratch"
    assert RunForm.of({**asked, "vars": {"a": 1}}, "dev").vars == {**JANUARY_VARS, "a": 1}


def test_a_data_interval_without_length_or_none_at_all_is_no_window() -> None:
    assert window.data_interval({}) is None
    assert window.data_interval({"data_interval_start": None, "data_interval_end": None}) is None
    assert window.data_interval({"data_interval_start": JANUARY[0], "data_interval_end": JANUARY[0]}) is None
    east = timezone(timedelta(hours=5))
    moved = {"data_interval_start": JANUARY[0].astimezone(east), "data_interval_end": JANUARY[1].astimezone(east)}
    assert RunForm.of_run({"params": EMPTY, **moved}, "dev").vars == JANUARY_VARS


@pytest.mark.parametrize(
    ("first", "last", "words"),
    [
        (
            "2013-02-01",
            "2013-01-01",
            "The window ends before it starts: first_day is 2013-02-01, last_day is 2013-01-01",
        ),
        ("2013-02-01", None, "first_day and last_day: give both"),
        ("", "2013-02-01", "first_day and last_day: give both"),
        ("2013-02-30", "2013-03-01", "first_day must be a day like 2013-01-31, but is '2013-02-30'"),
        ("9999-12-31", "9999-12-31", "last_day is 9999-12-31, after which there is no day"),
        ("2013-02-01", 5, "last_day must be a day like 2013-01-31, but is 5"),
    ],
)
def test_a_window_that_is_none_is_refused_in_words(first: Any, last: Any, words: str) -> None:
    with pytest.raises(SelectionError, match=words):
        RunForm.of({"first_day": first, "last_day": last}, "dev")


def test_airflow_lets_days_through_and_texts_not() -> None:
    with DAG("form", schedule=None, params=run_form.params("dev", windowed=True)) as dag:
        pass
    assert filled_in(dag, {"first_day": "2013-01-01", "last_day": "2013-01-31"})["last_day"] == "2013-01-31"
    assert filled_in(dag, {})["first_day"] is None
    with pytest.raises(ParamValidationError):
        filled_in(dag, {"first_day": "yesterday"})
