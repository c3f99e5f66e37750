"""A run is followed through moments in which Airflow doesn't answer."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from mwaactl.errors import Problem
from mwaactl.local import follow
from mwaactl.local.api import Api, Unanswered
from tests.ports import free_port

RUN = {"state": "success", "start_date": "2026-01-01T00:00:00Z", "queued_at": None, "end_date": "2026-01-01T00:01:00Z"}
TASK = {"task_id": "a", "state": "success", "start_date": None}


@pytest.fixture
def airflow(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[int], Api]]:
    """Return a function that makes an Airflow which leaves its first answers out."""
    monkeypatch.setattr(follow, "INTERVAL", 0.01)
    servers: list[ThreadingHTTPServer] = []

    def serve(silent: int) -> Api:
        left = [silent]

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if "token" not in self.path and left[0]:
                    left[0] -= 1
                    threading.Event().wait(0.3)  # longer than the client waits
                    return
                answer: dict[str, Any] = {"access_token": "t", "task_instances": [TASK], "total_entries": 1, **RUN}
                self.send_response(200)
                self.end_headers()
                self.wfile.write(json.dumps(answer).encode())

            def log_message(self, *_: Any) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        servers.append(server)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return Api(f"http://127.0.0.1:{server.server_port}", timeout=0.1)

    yield serve
    for server in servers:
        server.shutdown()
        server.server_close()


def test_an_airflow_that_is_busy_for_a_while_is_asked_again(airflow: Callable[[int], Api]) -> None:
    assert follow.follow(airflow(3), "d", "r").succeeded


def test_one_that_is_busy_for_too_long_is_given_up(airflow: Callable[[int], Api], monkeypatch: Any) -> None:
    monkeypatch.setattr(follow, "BUSY", 0.2)
    with pytest.raises(Unanswered, match="does not answer") as error:
        follow.follow(airflow(1000), "d", "r")
    assert not error.value.refused


def test_a_run_s_limit_counts_while_airflow_is_silent(airflow: Callable[[int], Api]) -> None:
    with pytest.raises(Problem, match="has not ended after 0 s"):
        follow.follow(airflow(1000), "d", "r", limit=0.2)


def test_one_that_is_gone_is_given_up_sooner(airflow: Callable[[int], Api], monkeypatch: Any) -> None:
    monkeypatch.setattr(follow, "DOWN", 0.05)
    with pytest.raises(Unanswered) as error:
        follow.follow(Api(f"http://127.0.0.1:{free_port()}"), "d", "r")
    assert error.value.refused


def test_a_run_behind_another_says_so() -> None:
    run = follow.Run("d", "r", "queued", [TASK], 0.0)
    assert "earlier run" in run.step()["task"]
    assert "1/1 tasks" in follow.Run("d", "r", "running", [TASK], 0.0).step()["task"]
