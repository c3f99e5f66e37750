"""Files that people write."""

from pathlib import Path

import pytest

from mwaactl import yaml_files
from mwaactl.errors import Problem


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"name: [pk", "is not YAML: .*line 1"),
        (b"only text", "holds no `name: value` lines"),
        (b"name: \xff\xfe", "is not text in UTF-8"),
    ],
)
def test_what_is_wrong_is_said_with_the_file(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "dbt_project.yml"
    path.write_bytes(content)
    with pytest.raises(Problem, match=f"(?s)dbt_project.yml {words}") as caught:
        yaml_files.mapping(path)
    assert caught.value.next_step


def test_an_empty_file_maps_nothing_and_a_missing_one_is_named(tmp_path: Path) -> None:
    path = tmp_path / "packages.yml"
    with pytest.raises(Problem, match=r"packages\.yml can't be read: No such file"):
        yaml_files.mapping(path)
    path.touch()
    assert yaml_files.mapping(path) == {}
