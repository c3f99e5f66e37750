"""Many nodes fail at once, in processes side by side: one thread, of bounded size, with everything counted."""

from __future__ import annotations

import multiprocessing
import re

import pytest

from tests.mwaa_dbt.alerts.support import Slack, end, fail

pytestmark = pytest.mark.usefixtures("bucket")


def _fail(number: int) -> None:
    fail(f"node_{number:03}")


def in_processes(count: int, at_once: int) -> None:
    """Let `count` tasks fail, `at_once` at a time, each of these in a process of its own."""
    with multiprocessing.get_context("fork").Pool(at_once) as pool:
        pool.map(_fail, range(count), chunksize=1)


def test_two_at_the_same_moment_make_one_thread(slack: Slack) -> None:
    in_processes(6, 6)
    end({f"node_{number:03}": "failed" for number in range(6)})
    assert len(slack.heads) == 1
    texts = "\n".join([*slack.heads, *slack.replies])
    assert sorted(re.findall(r"\*model (node_\d+)\* failed", texts)) == [f"node_{number:03}" for number in range(6)]


@pytest.mark.timeout(1200)
def test_500_at_once(slack: Slack) -> None:
    in_processes(500, 16)
    end({**{f"node_{number:03}": "failed" for number in range(500)}, "fine": "success"})
    (head,) = slack.heads
    assert "failed: 1 succeeded, 500 failed" in head
    assert len(slack.replies) == 14 + 1 + 1, "with dbt's words, the list of the others, the end"
    others = next(reply for reply in slack.replies if reply.startswith("485 more failed"))
    assert re.search(r"and \d+ more", others)
    assert len(others) < 3200
    assert len([m for m in slack.messages if m["via"] == "slack chat.postMessage"]) == 17
