"""A pull request gets one comment per subject, brought up to date."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from mwaactl.ci_notes import comment
from mwaactl.errors import Problem
from tests.mwaactl.ci_notes import github_server
from tests.mwaactl.ci_notes.github_server import REPOSITORY, TOKEN, GitHub


@pytest.fixture
def github() -> Iterator[GitHub]:
    with github_server.running() as server:
        yield server


def settings(github: GitHub, **other: str) -> dict[str, str]:
    own = {"GITHUB_TOKEN": TOKEN, "GITHUB_REPOSITORY": REPOSITORY, "GITHUB_API_URL": github.url}
    return {**own, **other}


def bodies(github: GitHub) -> list[str]:
    return [one["body"] for one in github.comments]


def test_a_second_run_changes_the_first_ones_comment(github: GitHub) -> None:
    first = comment.write("plan", 7, comment.marker("plan") + "\none", settings(github))
    other = comment.write("slim CI", 7, comment.marker("slim CI") + "\nx", settings(github))
    again = comment.write("plan", 7, comment.marker("plan") + "\ntwo", settings(github))
    assert first == again != other
    assert [text.splitlines()[-1] for text in bodies(github)] == ["two", "x"]


def test_it_is_found_behind_a_hundred_others_and_not_on_another_pull_request(github: GitHub) -> None:
    for number in range(130):
        github.add(7, f"remark {number}", "User")
    comment.write("plan", 7, comment.marker("plan") + "\none", settings(github))
    comment.write("plan", 7, comment.marker("plan") + "\ntwo", settings(github))
    comment.write("plan", 8, comment.marker("plan") + "\nthree", settings(github))
    assert len(github.comments) == 132


def test_a_persons_comment_is_never_changed(github: GitHub) -> None:
    theirs = github.add(7, comment.marker("plan") + "\nquoted", "User")
    comment.write("plan", 7, comment.marker("plan") + "\nours", settings(github))
    assert theirs["body"].endswith("quoted")
    assert len(github.comments) == 2


def test_what_is_missing_or_refused_is_said_without_the_token(github: GitHub) -> None:
    with pytest.raises(Problem, match="GITHUB_TOKEN not set"):
        comment.write("plan", 7, "x", settings(github, GITHUB_TOKEN=""))
    with pytest.raises(Problem, match="401") as caught:
        comment.write("plan", 7, "x", settings(github, GITHUB_TOKEN="hush"))
    assert "hush" not in caught.value.message
    with pytest.raises(Problem, match="not an https address"):
        comment.write("plan", 7, "x", settings(github, GITHUB_API_URL="http://example.com"))


def test_markdown_as_it_is_and_output_as_a_block(tmp_path: Path) -> None:
    (tmp_path / "check.md").write_text("### Slim CI\n")
    (tmp_path / "plan.txt").write_text("a `b` ```c\n")
    text = comment.body("plan", [tmp_path / "check.md", tmp_path / "plan.txt"])
    assert text.startswith("<!-- mwaactl: plan -->\n\n### Slim CI\n\n<details>")
    assert "\n````\na `b` ```c\n````\n" in text
    with pytest.raises(Problem, match=r"none\.md"):
        comment.body("plan", [tmp_path / "none.md"])


def test_too_much_is_cut_and_its_block_closed(tmp_path: Path) -> None:
    (tmp_path / "plan.txt").write_text("x" * 70_000)
    text = comment.body("plan", [tmp_path / "plan.txt"])
    assert len(text) < 65_536
    assert text.endswith("x\n```\n\nCut here: the job's log has the rest.")
