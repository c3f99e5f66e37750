"""The Slack and mail sink, spoken to by the clients that Airflow uses."""

import json
import smtplib
import urllib.error
import urllib.request
from email.message import EmailMessage
from pathlib import Path

import pytest
from slack_sdk import WebClient, WebhookClient
from slack_sdk.errors import SlackApiError

from mwaactl.local import sink
from tests.ports import free_port


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, int, int]:
    path = tmp_path_factory.mktemp("sink") / "messages.jsonl"
    slack, mail = free_port(), free_port()
    sink.start(path, slack, mail)
    return path, slack, mail


def client(port: int, token: str = sink.TOKEN) -> WebClient:
    return WebClient(token=token, base_url=f"http://127.0.0.1:{port}/api/")


def test_a_message_is_kept_and_can_be_answered_in_its_thread(running: tuple[Path, int, int]) -> None:
    path, port, _ = running
    blocks = [{"type": "section", "text": {"type": "mrkdwn", "text": "what dbt said"}}]
    first = client(port).chat_postMessage(channel="#a", text="failed", blocks=blocks)
    client(port).chat_postMessage(channel="#a", text="again", thread_ts=first["ts"])
    kept, reply = sink.read_messages(path)[-2:]
    assert (kept["channel"], kept["blocks"]) == ("#a", blocks)
    assert reply["thread_ts"] == kept["ts"] == first["ts"]
    assert sink.plain_text(kept) == "failed\nwhat dbt said"
    assert sink.TOKEN not in path.read_text()


def test_a_wrong_token_is_refused_as_slack_does(running: tuple[Path, int, int]) -> None:
    path, port, _ = running
    before = sink.read_messages(path)
    with pytest.raises(SlackApiError, match="invalid_auth"):
        client(port, "xoxb-wrong").chat_postMessage(channel="#a", text="x")
    assert sink.read_messages(path) == before


def test_a_webhook_is_kept(running: tuple[Path, int, int]) -> None:
    path, port, _ = running
    answer = WebhookClient(f"http://127.0.0.1:{port}/services/{sink.WEBHOOK_PATH}").send(text="hello")
    assert (answer.status_code, answer.body) == (200, "ok")
    assert sink.read_messages(path)[-1]["text"] == "hello"
    assert WebhookClient(f"http://127.0.0.1:{port}/services/x").send().status_code == 400


def test_mail_is_kept_decoded(running: tuple[Path, int, int]) -> None:
    path, _, port = running
    mail = EmailMessage()
    mail["Subject"], mail["From"], mail["To"] = "Grüße", "a@example.com", "b@example.com"
    mail.set_content("plain")
    mail.add_alternative("<p>ü</p>", subtype="html")
    with smtplib.SMTP("127.0.0.1", port) as server:
        server.send_message(mail)
    kept = sink.read_messages(path)[-1]
    assert (kept["subject"], kept["text"].strip(), kept["html"].strip()) == ("Grüße", "plain", "<p>ü</p>")


def test_a_message_is_found_again_by_its_channels_id_only(running: tuple[Path, int, int]) -> None:
    path, port, _ = running
    first = client(port).chat_postMessage(channel="#b", text="1 failed")
    assert first["channel"] != "#b"
    client(port).chat_postMessage(channel="#b", text="another")
    client(port).chat_postMessage(channel="#b", text="a reply", thread_ts=first["ts"])
    client(port).chat_update(channel=first["channel"], ts=first["ts"], text="2 failed")
    with pytest.raises(SlackApiError, match="channel_not_found"):
        client(port).chat_update(channel="#b", ts=first["ts"], text="3 failed")
    seen = [message for message in sink.as_seen(sink.read_messages(path)) if message.get("channel") == "#b"]
    assert [(message["text"], bool(message.get("reply"))) for message in seen] == [
        ("2 failed", False),
        ("a reply", True),
        ("another", False),
    ]
    assert seen[0]["edited"]


def test_slack_refuses_what_is_too_big(running: tuple[Path, int, int]) -> None:
    _, port, _ = running
    section = {"type": "section", "text": {"type": "mrkdwn", "text": "x"}}
    long = {"type": "section", "text": {"type": "mrkdwn", "text": "x" * 3001}}
    for blocks in ([section] * 51, [long]):
        with pytest.raises(SlackApiError, match="invalid_blocks"):
            client(port).chat_postMessage(channel="#a", text="x", blocks=blocks)
    with pytest.raises(SlackApiError, match="msg_too_long"):
        client(port).chat_postMessage(channel="#a", text="x" * 40_001)


def control(port: int, **faults: object) -> None:
    with urllib.request.urlopen(
        urllib.request.Request(f"http://127.0.0.1:{port}/control", json.dumps(faults).encode()), timeout=10
    ) as answer:
        assert answer.status == 200


def test_faults_on_demand(running: tuple[Path, int, int]) -> None:
    _, port, _ = running
    control(port, status=429, times=1, retry_after=7)
    with pytest.raises(SlackApiError, match="ratelimited") as refused:
        client(port).chat_postMessage(channel="#a", text="x")
    assert refused.value.response.headers["Retry-After"] == "7"
    client(port).chat_postMessage(channel="#a", text="x")
    control(port, missing=["#gone"], limit=True)
    with pytest.raises(SlackApiError, match="channel_not_found"):
        client(port).chat_postMessage(channel="#gone", text="x")
    client(port).chat_postMessage(channel="#quick", text="x")
    with pytest.raises(SlackApiError, match="ratelimited"):
        client(port).chat_postMessage(channel="#quick", text="y")
    control(port)
    client(port).chat_postMessage(channel="#quick", text="y")
    with pytest.raises(urllib.error.HTTPError, match="400"):
        control(port, nonsense=1)
