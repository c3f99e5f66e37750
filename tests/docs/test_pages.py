"""The documentation names nothing that isn't there."""

import re
import shlex
from pathlib import Path

import click
import pytest
import yaml
from mwaa_dbt import settings

from mwaactl.cli import main
from mwaactl.local.layout import REPOSITORY
from tests.docs import pages

IDS = {path: path.relative_to(REPOSITORY).as_posix() for path in pages.pages()}
every_page = pytest.mark.parametrize("page", list(IDS), ids=list(IDS.values()))

_OPTION = re.compile(r"`?(?<!\.)\b(mwaa_dbt|core|secrets|dag_processor|cosmos)\.([a-z_]+)\b")
_MAKE = re.compile(r"^make((?: [a-z][a-z-]*)+)(?: |$)")
#: Configuration options of Airflow that pages name, but the project doesn't set.
_AIRFLOWS_OWN = {"celery.worker_autoscale", "cosmos.dbt_docs_projects"}
_IN_THE_BUCKET = (
    "dags/dbt/",
    *(f"mwaactl/{name}" for name in ("alerts/", "current.json", "history", "releases/", "state/")),
)
_FILE = re.compile(r"^(?:dags|dbt|plugins|mwaactl|tests|docs|infra|bench|\.github|\.ci)/[\w./-]*$")


def test_the_readme_is_short() -> None:
    assert len((REPOSITORY / "README.md").read_text().splitlines()) < 200


@every_page
def test_nothing_is_left_to_fill_in(page: Path) -> None:
    text = page.read_text()
    assert not re.search(r"@@|TODO|FIXME", text)
    assert not re.search(r"(?<!/usr)/(?:work|root|home)/", text), "a path of somebody's machine"


@every_page
def test_links_lead_somewhere(page: Path) -> None:
    for link in pages.links(page):
        if link.startswith(("http://", "https://")):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{link}: there is no {target}"
        if anchor:
            assert anchor in pages.anchors(target), f"{link}: headings are {sorted(pages.anchors(target))}"


@every_page
def test_make_targets_exist(page: Path) -> None:
    for text in pages.mentioned(page):
        if match := _MAKE.match(text.strip()):
            for target in match[1].split():
                assert target in make_targets(), text


@every_page
def test_commands_exist_with_their_options(page: Path) -> None:
    for text in pages.mentioned(page):
        words = _words(text)
        if words:
            _check_command(words, text)


@pytest.mark.parametrize("name", ["README.md", "docs/first-deployment.md"])
def test_first_runs_unpause_their_dag(name: str) -> None:
    runs = [text for text in pages.mentioned(REPOSITORY / name) if _words(text)[:1] in (["trigger"], ["backfill"])]
    assert [text for text in runs if " -e dev" in text]
    for text in runs:
        assert " -e dev" not in text or "--unpause" in text, f"{text!r}: DAGs come in paused"


def _words(text: str) -> list[str]:
    """Return what follows `mwaactl` in a command; nothing if `text` is none."""
    text = text.strip().removeprefix(".venv/bin/")
    return shlex.split(text.removeprefix("mwaactl").replace("...", "")) if text.startswith("mwaactl ") else []


def _check_command(words: list[str], text: str) -> None:
    command: click.Command = main
    context = click.Context(main)
    rest = list(words)
    while rest and isinstance(command, click.Group) and not rest[0].startswith("-"):
        found = command.get_command(context, rest[0])
        assert found, f"{text!r}: {command.name} has no command {rest[0]!r}"
        command, rest = found, rest[1:]
    known = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
    if command.name == "airflow":
        rest = rest[:2]  # what follows -e NAME is Airflow's
    for word in rest:
        if word.startswith("-"):
            assert word.split("=")[0] in known | {"--help"}, f"{text!r}: {command.name} has no {word}"


@every_page
def test_files_that_are_named_exist(page: Path) -> None:
    example = set(pages.files(pages.OWN_PROJECT))
    made = ("build/", "wheels", "dbt_packages")
    for text in pages.mentioned(page):
        name = text.strip()
        if not _FILE.match(name) or name.startswith("dbt/shop") or name in example or any(m in name for m in made):
            continue
        if name in ("docs/images/", "dags/dbt/") or name.startswith(_IN_THE_BUCKET):
            continue
        assert (REPOSITORY / name).exists(), f"{name} is not there"


@every_page
def test_options_that_are_named_exist(page: Path) -> None:
    chosen = set(yaml.safe_load((REPOSITORY / "infra" / "configuration-options.yaml").read_text()))
    for text in pages.mentioned(page):
        for section, name in _OPTION.findall(text):
            option = f"{section}.{name}"
            if section == "mwaa_dbt":
                assert name in settings.OPTIONS or (REPOSITORY / "plugins" / "mwaa_dbt" / f"{name}.py").exists(), text
            else:
                assert option in chosen | _AIRFLOWS_OWN, f"{text}: {option} is not set in {chosen}"


def test_every_command_is_documented() -> None:
    text = "\n".join(page.read_text() for page in pages.pages())
    for name in _leaves(main, "mwaactl"):
        target = name.removeprefix("mwaactl local ")
        assert name in text or f"make {target}" in text, f"no page names {name}"


def _leaves(command: click.Command, name: str) -> list[str]:
    if not isinstance(command, click.Group):
        return [name]
    context = click.Context(command)
    found = []
    for child in command.list_commands(context):
        if one := command.get_command(context, child):
            found += _leaves(one, f"{name} {child}")
    return found


def test_every_make_target_is_in_the_readme() -> None:
    readme = (REPOSITORY / "README.md").read_text()
    for target in make_targets() - {"help"}:
        assert re.search(rf"^\| .*`make {target}`.* \|", readme, re.MULTILINE), target


def make_targets() -> set[str]:
    """Return the Makefile's targets."""
    return set(re.findall(r"^([a-z][a-z-]*):", (REPOSITORY / "Makefile").read_text(), re.MULTILINE))


def test_every_page_is_in_the_readme() -> None:
    readme = REPOSITORY / "README.md"
    linked = {(readme.parent / link.partition("#")[0]).resolve() for link in pages.links(readme)}
    for page in pages.pages()[1:]:
        assert page in linked, f"README.md doesn't lead to {IDS[page]}"
