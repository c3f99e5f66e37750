"""What every workflow keeps to."""

import re
import shlex

import pytest

from mwaactl.local.layout import REPOSITORY
from tests.docs.test_pages import _check_command
from tests.github import workflows

_PINNED = re.compile(r"uses: (?P<action>[\w-]+/[\w./-]+)@(?P<hash>[0-9a-f]{40}) # (?P<version>v\d+\.\d+\.\d+)$")
#: Scripts that are no mwaactl command, and why.
OTHERS = {
    "make setup": "brings mwaactl",
    ".ci/run": "brings what a new machine lacks, then make lint test",
    'make test ARGS="-m long"': "the tests that .ci/run leaves to the night",
    'command -v chromium || sudo ln -s "$(command -v google-chrome)" /usr/bin/chromium': "the runner's browser",
}
ALLOWED = {"contents": "read", "id-token": "write", "pull-requests": "write"}


@pytest.mark.parametrize("name", workflows.NAMES)
def test_actions_are_pinned_by_hash_to_one_version(name: str) -> None:
    lines = [one.strip().removeprefix("- ") for one in (workflows.FOLDER / f"{name}.yml").read_text().splitlines()]
    used = [line for line in lines if line.startswith("uses:") and "./.github/workflows/" not in line]
    for line in used:
        match = _PINNED.match(line)
        assert match, line
        assert match["action"].split("/")[0] in ("actions", "aws-actions"), line


def test_an_action_has_one_hash_everywhere() -> None:
    found: dict[str, set[str]] = {}
    for _, _, step in workflows.steps():
        if "uses" in step:
            action, _, digest = step["uses"].partition("@")
            found.setdefault(action, set()).add(digest)
    assert found
    assert not {action for action, digests in found.items() if len(digests) > 1}


def test_each_script_is_one_command_of_mwaactl_with_options_it_has() -> None:
    for name, job, step in workflows.steps():
        script = step.get("run", "").strip()
        if not script or script in OTHERS:
            continue
        where = f"{name}, {job}: {script}"
        assert "\n" not in script, where
        assert script.startswith(".venv/bin/mwaactl "), where
        command = script.removeprefix(".venv/bin/mwaactl ").split(" > ")[0].replace('${RELEASE:+"$RELEASE"}', "1")
        _check_command(shlex.split(command), where)


def test_nothing_of_others_gets_into_a_script() -> None:
    for name, job, step in workflows.steps():
        assert "${{" not in step.get("run", ""), (name, job)
        assert "shell" not in step, (name, job)


@pytest.mark.parametrize("name", workflows.NAMES)
def test_permissions_are_those_that_are_needed(name: str) -> None:
    workflow = workflows.load(name)
    assert workflow["permissions"] in ({}, {"contents": "read"})
    assert "pull_request_target" not in workflow["on"]
    for job, content in workflow["jobs"].items():
        given = content.get("permissions", workflow["permissions"])
        assert set(given.items()) <= set(ALLOWED.items()), (name, job)
        text = str(content)
        aws = "configure-aws-credentials" in text or "release.yml" in text
        assert ("id-token" in given) == aws, (name, job)
        assert ("pull-requests" in given) == ("ci comment" in text), (name, job)
        assert "uses" in content or int(content["timeout-minutes"]) <= 360, (name, job)


def test_checkouts_leave_no_token_behind() -> None:
    for name, job, step in workflows.steps():
        if step.get("uses", "").startswith("actions/checkout@"):
            assert step["with"]["persist-credentials"] == "false", (name, job)


def test_no_static_keys() -> None:
    for name in workflows.NAMES:
        text = (workflows.FOLDER / f"{name}.yml").read_text()
        assert set(re.findall(r"secrets\.(\w+)", text)) <= {"SLACK_TOKEN"}, name
        assert "access-key" not in text.lower(), name


def test_what_changes_an_environment_is_guarded_by_it_and_comes_one_at_a_time() -> None:
    changing = [("release", "release"), ("rollback", "rollback")]
    for name, job in changing:
        content = workflows.jobs(name)[job]
        assert content["environment"] == "${{ inputs.environment }}"
        assert content["concurrency"] == {
            "group": "environment-${{ inputs.environment }}",
            "cancel-in-progress": "false",
            "queue": "max",  # else a third one cancels the second
        }
    for name, job, step in workflows.steps():
        role = step.get("with", {}).get("role-to-assume")
        if role:
            assert ("AWS_DEPLOY_ROLE" in role) == ((name, job) in changing), (name, job)


@pytest.mark.parametrize("name", ["release", "rollback"])
def test_credentials_outlast_what_they_are_for(name: str) -> None:
    role = (REPOSITORY / "infra" / "ci-role.yaml").read_text()
    longest = int(re.findall(r"MaxSessionDuration: (\d+)", role)[0])
    left, all_of_them = 0, 0
    for step in workflows.jobs(name)[name]["steps"]:
        if "configure-aws-credentials" in step.get("uses", ""):
            left = int(step["with"]["role-duration-seconds"])
            all_of_them += left
            assert left <= longest
        if limit := re.search(r"mwaactl trigger .*--timeout (\d+)", step.get("run", "")):
            assert int(limit[1]) + 900 <= left, "the build, and the state after it"
            break
    else:
        pytest.fail(f"{name} builds nothing, or without a limit")
    assert all_of_them <= int(workflows.jobs(name)[name]["timeout-minutes"]) * 60


def test_after_a_rollback_data_and_state_are_those_of_the_release() -> None:
    """What comes after the release itself is the same in both: the build, and in prod its state."""

    def after(name: str) -> list[tuple[str | None, str]]:
        steps = [step for step in workflows.jobs(name)[name]["steps"] if "run" in step]
        first = next(number for number, step in enumerate(steps) if f"release {done[name]} " in step["run"])
        return [(step.get("if"), step["run"]) for step in steps[first + 1 :] if "ci notify" not in step["run"]]

    done = {"release": "apply", "rollback": "rollback"}
    assert after("rollback") == after("release")
    builds = {name: workflows.jobs(name)[name]["env"]["FULL_BUILD"] for name in done}
    assert builds["rollback"] == builds["release"]


def test_what_runs_when_a_pull_request_is_closed() -> None:
    assert "closed" in workflows.load("pull-request")["on"]["pull_request"]["types"]
    jobs = workflows.jobs("pull-request")
    for name in ("lint", "check"):
        assert "github.event.action != 'closed'" in jobs[name]["if"]
    assert jobs["drop"]["if"].startswith("github.event.action == 'closed' && ")
    options = {name: [one for one in str(jobs[name]).split("mwaactl ci ") if one.startswith(name)] for name in jobs}
    for words in ('-e "$ENVIRONMENT" --pull-request "$PULL_REQUEST"', '--connection "{project}_ci"'):
        assert words in options["check"][0]
        assert words in options["drop"][0], "the schemas that the check made"


def test_slack_is_told_whichever_job_of_a_pull_request_failed() -> None:
    jobs = workflows.jobs("pull-request")
    failed = jobs.pop("failed")
    assert failed["if"].startswith("failure() && ")
    assert set(failed["needs"]) == set(jobs) - {"opened"}
    assert "ci notify failed" in str(failed["steps"])


def test_where_a_push_goes() -> None:
    deploy = workflows.load("deploy")
    assert deploy["on"] == {"push": {"branches": ["develop", "main"]}}
    goes = {name: (job.get("if"), job.get("needs"), job["with"]["environment"]) for name, job in deploy["jobs"].items()}
    assert goes == {
        "dev": ("github.ref_name == 'develop'", None, "dev"),
        "stage": (None, "dev", "stage"),
        "prod": ("github.ref_name == 'main'", None, "prod"),
    }


def test_forks_get_no_credentials() -> None:
    own = "github.event.pull_request.head.repo.full_name == github.repository"
    for job, content in workflows.jobs("pull-request").items():
        if "secrets." in str(content) or "id-token" in str(content):
            assert own in content["if"], job
