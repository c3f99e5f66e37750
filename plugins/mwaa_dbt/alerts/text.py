"""Texts for Slack: escaped, cut to what Slack takes, as blocks."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

#: Slack takes 3,000 characters in a section's text (Block Kit reference); fences, marks and the cut need some.
MAX_SECTION = 2800
_MAX_QUERY = 1200
_MAX_TESTS = 5

Block = dict[str, Any]


def section(text: str) -> Block:
    """Return a block that shows `text` (mrkdwn)."""
    return {"type": "section", "text": {"type": "mrkdwn", "text": text}}


def escape(text: str) -> str:
    """Return `text` without Slack's three control characters and the fence that an error stands in."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("```", "'''")


def cut(escaped: str, size: int = MAX_SECTION) -> str:
    """Return `escaped` (what `escape` returned), cut to `size` characters and a mark."""
    if len(escaped) <= size:
        return escaped
    # Half an entity would be shown as it stands.
    return re.sub(r"&[a-z]*$", "", escaped[:size]) + "\n[...]"


def fenced(text: str, size: int = MAX_SECTION) -> str:
    """Return `text` as a code block."""
    return f"```{cut(escape(text), size)}```"


def listed(names: Iterable[str], size: int = MAX_SECTION) -> str:
    """Return `names` with commas between, as many as `size` characters take, and how many more there are."""
    kept: list[str] = []
    left = list(names)
    length = 0
    while left and length + len(escape(left[0])) + 2 <= size:
        kept.append(escape(left.pop(0)))
        length += len(kept[-1]) + 2
    return ", ".join(kept) + (f" and {len(left)} more" if left else "")


def mention(slack_id: str) -> str:
    """Return what notifies the user or group with `slack_id`."""
    return f"<!subteam^{slack_id}>" if slack_id.startswith("S") else f"<@{slack_id}>"


def tests(found: Iterable[Any]) -> list[Block]:
    """Return the blocks of failed tests (event.FailedTest): name, rows, and the query that shows them."""
    all_tests = list(found)
    blocks = []
    for test in all_tests[:_MAX_TESTS]:
        rows = "" if test.rows is None else f" · {test.rows} row{'' if test.rows == 1 else 's'}"
        query = f"\n{fenced(test.query, _MAX_QUERY)}" if test.query else ""
        blocks.append(section(f"*Test:* `{cut(escape(test.name), 300)}`{rows}{query}"))
    if len(all_tests) > _MAX_TESTS:
        blocks.append(section(f"and {listed(test.name for test in all_tests[_MAX_TESTS:])}"))
    return blocks
