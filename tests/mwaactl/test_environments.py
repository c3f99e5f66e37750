"""infra/environments.yaml: what is read from it, and what is said about mistakes in it."""

from pathlib import Path

import pytest

from mwaactl import environments
from mwaactl.errors import Problem
from mwaactl.local.layout import REPOSITORY, Layout

ENTRY = "dev:\n  mwaa: m\n  bucket: my-bucket\n  region: eu-central-1\n  account: '123456789012'\n  target: dev\n"


def written(folder: Path, text: str) -> Path:
    path = folder / environments.ENVIRONMENTS_FILE
    path.parent.mkdir(parents=True)
    path.write_text(text)
    return folder


def test_every_environment_of_this_project_can_be_read() -> None:
    known = environments.names(REPOSITORY)
    assert known[-1] == "local"
    for name in known[:-1]:
        assert environments.read(name, REPOSITORY).name == name


def test_a_prefix_is_put_before_the_keys_of_a_release(tmp_path: Path) -> None:
    found = environments.read("dev", written(tmp_path, ENTRY + "  prefix: /team/a/\n"))
    assert found.key("dags/x.py") == "team/a/dags/x.py"
    assert environments.read("dev", written(tmp_path / "b", ENTRY)).key("dags/x.py") == "dags/x.py"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("other:\n  mwaa: m\n", "no environment dev.*Choose one of other, local"),
        ("dev:\n  mwaa: m\n", "dev lacks bucket, region, account, target"),
        ("dev:\n", "dev has no settings"),
        ("- dev\n", "holds no `name: value` lines"),
        ("dev: [", "is not YAML"),
        (ENTRY + "  password: x\n", "unknown settings: password"),
        (ENTRY.replace("'123456789012'", "123456789012"), "account is 123456789012"),
        (ENTRY.replace("my-bucket", "My Bucket"), "bucket is 'My Bucket'"),
        (ENTRY + "  prefix: 2024\n", "prefix is 2024.*in quotes"),
        (ENTRY + "  prefix:\n", "prefix is None"),
        (ENTRY + "  prefix: a//b\n", "prefix is 'a//b'"),
        (ENTRY + "  role:\n", "role is None"),
        (ENTRY + "  options:\n", "options is None.*one `section.option"),
        (ENTRY + "  options: [a]\n", r"options is \['a'\]"),
        (ENTRY + "  options: {mwaa_dbt.retries: 3}\n", "the option mwaa_dbt.retries is 3, not a text.*in quotes"),
    ],
)
def test_mistakes_get_words(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(Problem, match=f"(?s){words}"):
        environments.read("dev", written(tmp_path, text))


def test_an_unknown_profile_gets_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    found = environments.read("dev", written(tmp_path, ENTRY))
    with pytest.raises(Problem, match=r"(?s)profile \(nobody\).*Set AWS_PROFILE"):
        found.client("s3")


def test_the_local_environment_must_run(tmp_path: Path) -> None:
    with pytest.raises(Problem, match="not running") as caught:
        environments.read("local", tmp_path, Layout.of(tmp_path / "environment", tmp_path))
    assert caught.value.exit_code == 3


def test_a_client_of_an_endpoint_has_no_prefix_before_its_host(tmp_path: Path) -> None:
    found = environments.Environment(
        name="local",
        mwaa="m",
        bucket="b",
        region="eu-central-1",
        account="123456789012",
        target="dev",
        endpoints={"": "http://127.0.0.1:1", "mwaa": "http://127.0.0.1:2"},
    )
    assert found.client("mwaa").meta.endpoint_url == "http://127.0.0.1:2"
    assert found.client("s3").meta.endpoint_url == "http://127.0.0.1:1"
    assert found.client("mwaa").meta.config.inject_host_prefix is False
