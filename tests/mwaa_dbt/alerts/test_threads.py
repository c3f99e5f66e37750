"""One thread per run: opened by the first failure, answered by the others, closed when the run ends."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from mwaa_dbt import alerts, settings

from mwaactl.local import sink
from tests.mwaa_dbt.alerts.support import LINK, RUN, Slack, context, end, fail, failed, failed_tests

LATER = "scheduled__2026-11-21T06:00:00+00:00"
pytestmark = pytest.mark.usefixtures("bucket")


def test_the_first_failure_opens_the_thread_and_says_everything(slack: Slack) -> None:
    fail()
    (message,) = slack.seen
    text = sink.plain_text(message)
    for part in (
        "*flights_transform* · run `scheduled__2026-11-20T06:00:00+00:00` · *1 failed*",
        "*model fct_orders* failed",
        "Database Error in model fct_orders",
        "*File:* models/marts/fct_orders.sql",
        "*Try:* 3",
        "*Owner:* carla",
        f"<{LINK}|",
    ):
        assert part in text
    assert "{{ 7 * 7 }}" in text, "dbt's text is no template"
    assert "&lt;a&gt; &amp;" in text, "Slack's control characters are escaped"
    assert text.count("```") == 2, "dbt's text doesn't end the fence"
    assert message["channel"] == settings.slack_channel()


def test_others_reply_and_the_head_counts_them(slack: Slack) -> None:
    for name in ("a", "b", "c"):
        fail(name)
    (head,) = slack.heads
    assert "*3 failed*" in head
    assert "*model a* failed" in head
    assert ["*model b* failed" in slack.replies[0], "*model c* failed" in slack.replies[1]] == [True, True]


def test_the_end_closes_the_thread_with_counts(slack: Slack) -> None:
    fail("a")
    end({"a": "failed", "b": "success", "c": "upstream_failed", "d": "skipped", "e": "success"})
    (head,) = slack.heads
    (reply,) = slack.replies
    counts = "2 succeeded, 1 failed, 1 not run because of that, 1 skipped"
    assert f"The run *failed*: {counts}" in reply
    assert f":red_circle: *flights_transform* · run `{RUN}` · failed: {counts}" in head
    assert "*model a* failed" in head


def test_cleared_and_recovered_is_said_in_the_thread(slack: Slack) -> None:
    fail("a")
    end({"a": "failed", "b": "upstream_failed"})
    end({"a": "success", "b": "success"})
    (head,) = slack.heads
    assert head.startswith("model a failed in flights_transform") is False
    assert "recovered: 2 succeeded" in head
    assert "*Recovered*\n• model a" in slack.replies[-1]
    end({"a": "success", "b": "success"})
    assert len(slack.replies) == 2, "said once"


def test_failing_again_after_a_clear_is_a_reply(slack: Slack) -> None:
    fail("a")
    end({"a": "failed"})
    fail("a", tries=4)
    assert len(slack.heads) == 1
    assert "*model a* failed again" in slack.replies[-1]
    assert "*1 failed*" in slack.heads[0], "the run goes on"
    end({"a": "failed"})
    assert "failed: 1 failed" in slack.heads[0]
    assert len(slack.replies) == 3


def test_a_try_is_told_once(slack: Slack) -> None:
    fail("a")
    fail("a")
    assert len(slack.seen) == 1


def test_a_run_that_just_succeeds_says_nothing(slack: Slack, keys: Callable[[], list[str]]) -> None:
    end({"a": "success", "b": "skipped"})
    assert slack.messages == []
    assert keys() == []


def test_runs_have_threads_of_their_own(slack: Slack) -> None:
    fail("a")
    fail("a", run_id=LATER)
    assert len(slack.heads) == 2
    assert slack.replies == []


def test_what_failed_in_the_last_run_too_is_still_failing(slack: Slack) -> None:
    fail("a")
    fail("b")
    end({"a": "failed", "b": "failed"})
    fail("a", run_id=LATER)
    fail("c", run_id=LATER)
    end({"a": "failed", "b": "success", "c": "failed"}, run_id=LATER)
    _, later = slack.heads
    assert f":repeat: *still failing*, since run `{RUN}` (2 runs)" in later
    new, closing = slack.replies[-2:]
    assert "still failing" not in new
    assert f"*Recovered*\n• model b, which had failed since run {RUN}" in closing
    assert f"*Still failing*\n• model a, since run {RUN} (2 runs)" in closing


def test_recovery_is_told_even_without_a_failure_in_the_run(slack: Slack) -> None:
    fail("a")
    end({"a": "failed"})
    end({"a": "success"}, run_id=LATER)
    _, message = slack.heads
    assert f"run `{LATER}` *succeeded*" in message
    assert f"model a, which had failed since run {RUN}" in message
    end({"a": "success"}, run_id="and another")
    assert len(slack.heads) == 2


def test_a_run_that_left_the_node_out_says_nothing_of_it(slack: Slack) -> None:
    fail("a")
    end({"a": "failed"})
    end({"a": "skipped", "b": "success"}, run_id=LATER)
    assert len(slack.heads) == 1
    end({"a": "success"}, run_id="third")
    assert "which had failed since" in slack.heads[1]


def test_a_killed_task_whose_callback_ran_elsewhere(slack: Slack) -> None:
    alerts.notify_failure(context(None))
    assert "killed or lost" in slack.heads[0]
    assert "model fct_orders" in slack.heads[0]


def test_a_task_of_which_no_word_came_is_told_at_the_end(slack: Slack) -> None:
    fail("a")
    end({"a": "failed", "gone": "failed"})
    word, closing = slack.replies
    assert "*model gone* failed" in word
    assert "No word came from this task" in word
    assert "2 failed" in closing


def test_a_run_without_any_word_is_told(slack: Slack) -> None:
    end({"a": "upstream_failed", "b": "skipped"}, success=False)
    assert "*failed*: 1 not run because of that, 1 skipped" in slack.heads[0]


def test_failed_tests_say_which_how_many_rows_and_how_to_see_them(slack: Slack) -> None:
    alerts.notify_failure(context(failed_tests("unique_orders_id", rows=3, query="select id from orders")))
    alerts.notify_failure(context(failed_tests("stored", rows=1, table='"db"."audit"."stored"'), tries=4))
    assert "*Test:* `unique_orders_id` · 3 rows\n```select id from orders```" in slack.heads[0]
    assert '`stored` · 1 row\n```select * from "db"."audit"."stored"```' in slack.replies[0]


def test_a_long_error_and_many_tests_are_cut_to_what_slack_takes(slack: Slack) -> None:
    alerts.notify_failure(context(failed("<&>" * 5000)))
    names = [f"test_{number}_{'x' * 200}" for number in range(400)]
    alerts.notify_failure(context(failed_tests(*names, query="select '<' " * 2000), tries=9))
    assert len(slack.seen) == 2, "the sink refuses what Slack refuses"
    assert "[...]" in slack.heads[0]
    assert "more" in slack.replies[0]
    assert not [message for message in slack.messages if not message.get("blocks")]


def test_secrets_that_airflow_knows_are_masked(slack: Slack) -> None:
    from airflow.sdk.log import mask_secret

    mask_secret("hunter-22-secret")
    fail(message="password hunter-22-secret is wrong")
    alerts.notify_failure(context(failed_tests("t", query="select 'hunter-22-secret'"), tries=4))
    assert "hunter-22-secret" not in slack.file.read_text()
    assert "***" in slack.heads[0]
