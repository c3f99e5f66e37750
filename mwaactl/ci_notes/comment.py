"""One comment per subject on a pull request: written once, then brought up to date."""

from collections.abc import Mapping
from pathlib import Path

from mwaactl.ci_notes.http import call
from mwaactl.errors import Problem

MAX_CHARACTERS = 65_000  # GitHub takes 65,536 in a comment
_PAGE = 100


def body(subject: str, files: list[Path]) -> str:
    """Return the comment about `subject`: Markdown files as they are, others as blocks, marked to be found again.

    Raises Problem when a file can't be read.
    """
    parts = [marker(subject)]
    for path in files:
        try:
            text = path.read_text(encoding="utf-8").strip()
        except OSError as error:
            raise Problem(f"{path} can't be read: {error.strerror}.", "Run the step that writes it.") from error
        parts.append(text if path.suffix == ".md" else _block(subject, text))
    text = "\n\n".join(parts)
    if len(text) <= MAX_CHARACTERS:
        return text
    return f"{text[:MAX_CHARACTERS]}\n{_open_fence(text[:MAX_CHARACTERS])}\n\nCut here: the job's log has the rest."


def marker(subject: str) -> str:
    """Return the invisible first line by which the comment about `subject` is found."""
    return f"<!-- mwaactl: {subject} -->"


def write(subject: str, pull_request: int, text: str, settings: Mapping[str, str]) -> str:
    """Write `text` as the comment about `subject`, over an earlier one if there is; return its address.

    `settings` holds GITHUB_TOKEN, GITHUB_REPOSITORY and, elsewhere than on github.com, GITHUB_API_URL, as on a runner.
    Raises Problem when one is missing, or GitHub refuses.
    """
    missing = [name for name in ("GITHUB_TOKEN", "GITHUB_REPOSITORY") if not settings.get(name)]
    if missing:
        raise Problem(f"{' and '.join(missing)} not set.", "On a runner: `env: GITHUB_TOKEN: ${{ github.token }}`.")
    api = settings.get("GITHUB_API_URL") or "https://api.github.com"
    base, token = f"{api}/repos/{settings['GITHUB_REPOSITORY']}/issues", settings["GITHUB_TOKEN"]
    earlier = _earlier(f"{base}/{pull_request}/comments", token, subject)
    if earlier is None:
        return str(call("POST", f"{base}/{pull_request}/comments", token, {"body": text})["html_url"])
    return str(call("PATCH", f"{base}/comments/{earlier}", token, {"body": text})["html_url"])


def _earlier(url: str, token: str, subject: str) -> int | None:
    """Return the id of the comment about `subject` that an earlier run wrote."""
    page = 1
    while True:
        found = call("GET", f"{url}?per_page={_PAGE}&page={page}", token)
        for one in found:
            # A person can write the marker too; theirs is left alone.
            if one["body"].startswith(marker(subject)) and one["user"]["type"] == "Bot":
                return int(one["id"])
        if len(found) < _PAGE:
            return None
        page += 1


def _block(subject: str, text: str) -> str:
    fence = "`" * max(3, _longest_run(text) + 1)
    return f"<details><summary>{subject}</summary>\n\n{fence}\n{text}\n{fence}\n</details>"


def _longest_run(text: str) -> int:
    longest = run = 0
    for character in text:
        run = run + 1 if character == "`" else 0
        longest = max(longest, run)
    return longest


def _open_fence(text: str) -> str:
    """Return the fence that closes the block of code in which `text` was cut, if it was."""
    fence = ""
    for line in text.splitlines():
        if fence and line == fence:
            fence = ""
        elif not fence and line.startswith("```"):
            fence = "`" * (len(line) - len(line.lstrip("`")))
    return fence
