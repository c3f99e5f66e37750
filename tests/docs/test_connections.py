"""Every example in docs/connections.md is a connection from which a dbt profile, or a Slack client, can be made."""

import json
import re

import pytest
from airflow.models.connection import Connection
from mwaa_dbt import profiles

from tests.docs import pages

PAGE = pages.DOCS / "connections.md"
#: Heading of an example -> what becomes of it.
EXPECTED = {
    "Key pair, key in the connection": "SnowflakePrivateKeyPemProfileMapping",
    "Key pair, encrypted key in the connection": "SnowflakeEncryptedPrivateKeyPemProfileMapping",
    "Key pair, key in a file": "SnowflakePrivateKeyFilePemProfileMapping",
    "Password": "SnowflakeUserPasswordProfileMapping",
    "Service account, key in the connection": "GoogleCloudServiceAccountDictProfileMapping",
    "Service account, key in a file": "GoogleCloudServiceAccountFileProfileMapping",
    "Application default credentials": "GoogleCloudOauthProfileMapping",
    "DuckDB": "DuckDBUserPasswordProfileMapping",
    "Slack": "",
}


def examples() -> list[tuple[str, str, str]]:
    """Return heading, JSON and URI of each example."""
    found = []
    for part in re.split(r"^##+ ", PAGE.read_text(), flags=re.MULTILINE):
        forms = re.findall(r"^```json\n(.*?)^```\n\n```uri\n(.*?)^```", part, re.MULTILINE | re.DOTALL)
        found += [(part.splitlines()[0], as_json, uri.strip()) for as_json, uri in forms]
    return found


def test_there_is_one_for_each_way_to_log_in() -> None:
    assert {heading for heading, *_ in examples()} == set(EXPECTED)
    assert len(examples()) == len(EXPECTED) + 1  # Slack has two


@pytest.mark.parametrize(("heading", "as_json", "uri"), examples(), ids=[heading for heading, *_ in examples()])
def test_both_forms_are_the_same_connection(heading: str, as_json: str, uri: str) -> None:
    one, two = Connection.from_json(as_json, conn_id="x"), Connection(conn_id="x", uri=uri)
    for field in ("conn_type", "login", "password", "host", "schema", "extra_dejson"):
        assert (getattr(one, field) or None) == (getattr(two, field) or None), field
    if EXPECTED[heading]:
        mapping = profiles.choose(one)  # type: ignore[arg-type]
        assert mapping.__name__ == EXPECTED[heading]
        for field in mapping.required_fields:
            assert field in json.dumps(list(mapping.airflow_param_mapping)), field
    else:
        assert one.conn_type in ("slack", "slackwebhook")
        assert one.password


def test_the_examples_have_every_required_field() -> None:
    for heading, as_json, _ in examples():
        if not EXPECTED[heading]:
            continue
        connection = Connection.from_json(as_json, conn_id="x")
        mapping = profiles.choose(connection)("x")  # type: ignore[arg-type]
        mapping._conn = connection
        profiles._check_fields(mapping)


def test_the_policy_is_json() -> None:
    policy = next(block for block in pages.blocks(PAGE) if block.language == "json policy")
    assert json.loads(policy.content)["Action"] == ["secretsmanager:GetSecretValue", "secretsmanager:DescribeSecret"]
