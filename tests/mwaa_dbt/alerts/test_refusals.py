"""One address, channel or run that is refused silences no other, and the same try is told once, another one again."""

from __future__ import annotations

import smtplib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError
from mwaa_dbt import alerts
from mwaa_dbt.alerts import mail, mail_refusals, slack
from slack_sdk.errors import SlackApiError

from tests.mwaa_dbt.alerts.conftest import by_token
from tests.mwaa_dbt.alerts.support import Slack, context, end, fail, failed, task
from tests.ports import free_port

BAD, GOOD = "bad@example.com", "good@example.com"
Refuse = Callable[[str, str], None]


@dataclass
class Mails:
    """Mails as they are sent, and the errors of addresses that are refused."""

    sent: list[tuple[str, str]] = field(default_factory=list)
    refused: dict[str, Exception] = field(default_factory=dict)

    def send(self, claim: Any, address: str, subject: str, content: str) -> None:
        """Stand in for a mail server."""
        if error := self.refused.get(address):
            raise error
        self.sent.append((address, subject))

    def to(self, address: str) -> list[str]:
        """Return the subjects sent to `address`."""
        return [subject for to, subject in self.sent if to == address]


@pytest.fixture
def mails(bucket: str, monkeypatch: pytest.MonkeyPatch) -> Mails:
    found = Mails()
    monkeypatch.setattr(mail.Mail, "_send", staticmethod(found.send))
    monkeypatch.setenv("AIRFLOW__MWAA_DBT__SLACK_CONN_ID", "")
    monkeypatch.setenv("AIRFLOW__MWAA_DBT__MAIL_TO", f"{BAD}, {GOOD}")
    return found


def test_an_address_refused_for_now_holds_up_no_other_and_hears_later(mails: Mails) -> None:
    mails.refused[BAD] = smtplib.SMTPRecipientsRefused({BAD: (450, b"greylisted")})
    fail("a")
    end({"a": "failed"})
    heard = ["flights_transform: model a failed", "flights_transform failed: 1 failed"]
    assert mails.to(GOOD) == heard, "its end, too"
    mails.refused.clear()
    end({"b": "success"}, run_id="later")
    assert mails.to(BAD) == heard
    assert mails.to(GOOD) == heard, "nothing twice"


def test_an_address_refused_for_good_is_told_of_and_not_tried_for_ever(
    mails: Mails, keys: Callable[[], list[str]], caplog: pytest.LogCaptureFixture
) -> None:
    mails.refused[BAD] = smtplib.SMTPRecipientsRefused({BAD: (550, b"no such user")})
    fail("a")
    assert [key for key in keys() if "/outbox/" in key] == []
    assert f"No mail to {BAD}, now or later" in caplog.text
    contents: list[str] = []
    mail_end = mail._end
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mail, "_end", lambda *a: contents.append(mail_end(*a)) or contents[-1])
        end({"a": "failed"})
    assert f"Mail to {BAD} is refused" in contents[-1]


@pytest.mark.parametrize(
    ("error", "for_ever"),
    [
        (smtplib.SMTPRecipientsRefused({BAD: (550, b"no such user")}), True),
        (smtplib.SMTPRecipientsRefused({BAD: (451, b"later")}), False),
        (smtplib.SMTPDataError(554, b"refused"), True),
        (smtplib.SMTPSenderRefused(553, b"who are you", "airflow@example.com"), False),
        (smtplib.SMTPAuthenticationError(535, b"wrong password"), False),
        (ConnectionRefusedError("away"), False),
        (ClientError({"Error": {"Code": "MessageRejected", "Message": f"not verified: {BAD}"}}, "Send"), True),
        (ClientError({"Error": {"Code": "MessageRejected", "Message": "not verified: airflow@x"}}, "Send"), False),
        (ClientError({"Error": {"Code": "Throttling", "Message": f"later: {BAD}"}}, "Send"), False),
    ],
)
def test_which_refusals_are_for_good(error: Exception, for_ever: bool) -> None:
    assert mail_refusals.for_ever(error, BAD) is for_ever


@pytest.fixture
def refuse(bucket: str, monkeypatch: pytest.MonkeyPatch) -> Refuse:
    """Return a function that has Slack answer a channel with an error; with an empty one no more."""
    real = slack.SlackHook.call
    codes: dict[str, str] = {}

    def call(hook: Any, method: str, **arguments: Any) -> Any:
        if code := codes.get(arguments["json"]["channel"]):
            raise SlackApiError(code, {"error": code})
        return real(hook, method, **arguments)

    monkeypatch.setattr(slack.SlackHook, "call", call)
    return codes.__setitem__


def owners(folder: Path) -> Path:
    (folder / "alerts.yml").write_text('owners: {fleet: {channel: "#a-fleet"}, sales: {channel: "#b-sales"}}')
    return folder


@pytest.mark.parametrize(
    "code",
    [
        "restricted_action",
        "restricted_action_read_only_channel",
        "restricted_action_thread_only_channel",
        "restricted_action_non_threadable_channel",
    ],
)
def test_a_restricted_channel_is_replaced(slack: Slack, refuse: Refuse, tmp_path: Path, code: str) -> None:
    refuse("#a-fleet", code)
    fail("a", owner="fleet", project_dir=owners(tmp_path))
    (head,) = slack.heads
    assert code in head
    assert slack.seen[0]["channel"] == "#data-alerts"


def test_a_channel_that_slack_refuses_holds_up_no_other_and_hears_later(
    slack: Slack, refuse: Refuse, tmp_path: Path
) -> None:
    folder = owners(tmp_path)
    refuse("#a-fleet", "some_new_error")
    fail("a", owner="fleet", project_dir=folder)
    fail("b", owner="sales", project_dir=folder)
    end({"a": "failed", "b": "failed"}, tasks=[task(name, project_dir=folder) for name in "ab"])
    channels = [message["channel"] for message in slack.seen]
    assert channels == ["#b-sales", "#b-sales"]
    assert "The run *failed*" in slack.replies[0]
    refuse("#a-fleet", "")
    end({"c": "success"}, run_id="later")
    late = [message["channel"] for message in slack.seen if message["channel"] == "#a-fleet"]
    assert len(late) == 2, "failure and end"
    assert len(slack.seen) == 4, "nothing twice"


def test_a_run_that_cannot_be_told_holds_up_no_other(
    slack: Slack, refuse: Refuse, tmp_path: Path, connection: Callable[..., str]
) -> None:
    folder = owners(tmp_path)
    refuse("#a-fleet", "some_new_error")
    by_token(connection, free_port())
    fail("a", run_id="1 never told", owner="fleet", project_dir=folder)
    fail("b", run_id="2 told late", owner="sales", project_dir=folder)
    assert slack.messages == []
    by_token(connection, slack.port)
    end({"c": "success"}, run_id="3")
    assert any("2 told late" in head for head in slack.heads)


def instance(ti_id: str, exception: BaseException | None) -> Any:
    """Return the context of the try `ti_id`."""
    found = context(exception, tries=1)
    found["ti"] = SimpleNamespace(**vars(found["ti"]), id=ti_id)
    return found


def test_a_run_made_again_under_its_id_alerts_again(slack: Slack, bucket: str) -> None:
    for ti_id in ("first", "first", "made again"):  # the second: Airflow calls back twice
        alerts.notify_failure(instance(ti_id, failed()))
    assert len(slack.heads) + len(slack.replies) == 2


def test_a_task_killed_twice_without_a_word_is_told_twice(slack: Slack, bucket: str) -> None:
    end({"a": "failed"})
    end({"a": "success"})
    end({"a": "failed"})
    told = [text for text in (*slack.heads, *slack.replies) if "No word came from this task" in text]
    assert len(told) == 2
