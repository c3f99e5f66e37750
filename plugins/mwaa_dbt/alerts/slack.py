"""Slack's API or an incoming webhook, through Airflow's provider, within Slack's limits."""

from __future__ import annotations

import logging
import time
from typing import Any

from airflow.providers.slack.hooks.slack import SlackHook
from airflow.providers.slack.hooks.slack_webhook import SlackWebhookHook
from slack_sdk.errors import SlackApiError

from mwaa_dbt.alerts.text import Block
from mwaa_dbt.errors import MwaaDbtError

log = logging.getLogger(__name__)

TIMEOUT_SECONDS = 10
#: Slack takes one message a second in a channel (https://docs.slack.dev/apis/web-api/rate-limits).
PAUSE_SECONDS = 1.05
#: A message has at most this many blocks (Block Kit reference).
MAX_BLOCKS = 50
#: Answers of Slack that concern a channel, and a message that is to be changed.
_CHANNEL_ERRORS = ("channel_not_found", "not_in_channel", "is_archived", "invalid_channel")
#: What a workspace's rules forbid in a channel: restricted_action, restricted_action_read_only_channel and others.
_RESTRICTED = "restricted_action"
_MESSAGE_ERRORS = ("message_not_found", "cant_update_message", "edit_window_closed")
_BLOCK_ERRORS = ("invalid_blocks", "invalid_blocks_format", "msg_blocks_too_long", "msg_too_long")


class Undelivered(MwaaDbtError):
    """A message could not be delivered now; it is worth another try later."""


class Refused(Undelivered):
    """Slack has answered, but doesn't take the message; another channel may take its own."""


class NoChannel(MwaaDbtError):
    """Slack has no such channel for us: named wrongly, archived, or the app isn't in it."""


class Slack:
    """Sends messages through the connection `conn_id`; gives up waiting at `deadline` (time.monotonic()).

    Attributes:
        threads: whether replies and changes of a message are possible: a webhook's messages have no address.
    """

    def __init__(self, conn_id: str, conn_type: str, deadline: float) -> None:
        self.threads = conn_type != "slackwebhook"
        self._deadline = deadline
        self._last: dict[str, float] = {}
        if self.threads:
            # No retry by the client: it would hide a refusal for as long as Slack names.
            self._api = SlackHook(slack_conn_id=conn_id, timeout=TIMEOUT_SECONDS, retry_handlers=[])
        else:
            self._webhook = SlackWebhookHook(slack_webhook_conn_id=conn_id, timeout=TIMEOUT_SECONDS, retry_handlers=[])

    def post(self, channel: str, text: str, blocks: list[Block], thread: str = "") -> tuple[str, str]:
        """Send a message, or a reply in `thread`; return the channel's id and the message's `ts` (webhook: empty).

        Raises:
            NoChannel: if Slack has no such channel for us.
            Refused: if Slack doesn't take this message.
            Undelivered: if Slack is away, or lets us wait for too long.
        """
        self._pause(channel)
        message: dict[str, Any] = {"text": text[:3000], "blocks": blocks[:MAX_BLOCKS]}
        if not self.threads:
            self._send_webhook(message)
            self._last[channel] = time.monotonic()
            return "", ""
        message |= {"channel": channel, "unfurl_links": False, **({"thread_ts": thread} if thread else {})}
        answer = self._call("chat.postMessage", message)
        self._last[channel] = time.monotonic()
        return str(answer["channel"]), str(answer["ts"])

    def update(self, channel_id: str, stamp: str, text: str, blocks: list[Block]) -> None:
        """Change a message; if Slack doesn't let us change it any more, that is logged. Raises Undelivered."""
        message = {"channel": channel_id, "ts": stamp, "text": text[:3000], "blocks": blocks[:MAX_BLOCKS]}
        try:
            self._call("chat.update", message)
        except NoChannel as error:
            log.warning("A message can't be changed any more: %s", error)

    def _pause(self, channel: str) -> None:
        wait = self._last.get(channel, float("-inf")) + PAUSE_SECONDS - time.monotonic()
        if wait > 0:
            self._wait(wait, "the channel's limit of one message a second")

    def _wait(self, seconds: float, why: str) -> None:
        if time.monotonic() + seconds > self._deadline:
            raise Undelivered(f"no time left to wait {seconds:.0f} s for {why}")
        time.sleep(seconds)

    def _call(self, method: str, message: dict[str, Any]) -> Any:
        for _ in range(10):
            try:
                return self._api.call(method, json=message)
            except SlackApiError as error:
                response = error.response
                code = str(response.get("error") or "") if not isinstance(response, str) else response
                if getattr(response, "status_code", 0) == 429 or code in ("ratelimited", "rate_limited"):
                    self._wait(_retry_after(response.headers), "Slack (429)")
                elif code in _BLOCK_ERRORS and message.pop("blocks", None):
                    log.warning("Slack refuses the blocks of an alert (%s); it is sent as plain text.", code)
                elif code in (*_CHANNEL_ERRORS, *_MESSAGE_ERRORS) or code.startswith(_RESTRICTED):
                    raise NoChannel(f"{message['channel']}: {code}") from error
                else:
                    raise (Refused if code else Undelivered)(str(error)) from error
            except Exception as error:  # urllib's, ssl's, Airflow's: no connection, no answer, no credentials
                raise Undelivered(f"{type(error).__name__}: {error}") from error
        raise Undelivered("Slack asked ten times to wait")

    def _send_webhook(self, message: dict[str, Any]) -> None:
        for _ in range(10):
            try:
                # The client itself: the hook's send() keeps no headers of a refusal.
                answer = self._webhook.client.send(text=message["text"], blocks=message.get("blocks"))
            except Exception as error:  # as above
                raise Undelivered(f"{type(error).__name__}: {error}") from error
            if answer.status_code == 200:
                return
            if answer.status_code == 429:
                self._wait(_retry_after(answer.headers), "Slack (429)")
            elif answer.status_code == 400 and "block" in answer.body and message.pop("blocks", None):
                log.warning("Slack refuses the blocks of an alert (%s); it is sent as plain text.", answer.body)
            else:
                raise Undelivered(f"webhook: HTTP {answer.status_code} {answer.body[:200]}")
        raise Undelivered("Slack asked ten times to wait")


def _retry_after(headers: Any) -> float:
    value = next((str(value) for name, value in headers.items() if str(name).lower() == "retry-after"), "1")
    try:
        return max(float(value), 0.1)
    except ValueError:
        return 1.0
