"""An AWS that goes away: a proxy that stops carrying."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from mwaactl.local.state import read_json
from tests.local_environment import LocalEnvironment


class Door:
    """The way to S3, which closes with the second result that goes through it, until somebody opens it."""

    def __init__(self, port: int, results: str) -> None:
        """`port` is S3's; `results` is the path below which results are put."""
        self.open, self._results, self._port = True, 0, port
        self._put = f"PUT {results}".encode()
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            came, _ = self._listening.accept()
            if not self.open:
                came.close()
                continue
            there = socket.create_connection(("127.0.0.1", self._port))
            for ends in ((came, there), (there, came)):
                threading.Thread(target=self._carry, args=(*ends, came), daemon=True).start()

    def _carry(self, source: socket.socket, sink: socket.socket, came: socket.socket) -> None:
        try:
            while data := source.recv(65536):
                if source is came and self._put in data:
                    self._results += 1
                    self.open = self.open and self._results != 2
                if not self.open:
                    break
                sink.sendall(data)
        except OSError:
            pass
        for one in (source, sink):
            one.close()


@contextmanager
def door_to(environment: LocalEnvironment, service: str, results: str = "/no result ever closes it") -> Iterator[Door]:
    """Let Airflow's processes reach `service`, e.g. S3, through a door, for a while."""
    made = Door(read_json(environment.layout.state_file)["ports"]["aws"], results)
    script = environment.source / "startup.sh"
    before = script.read_text()
    script.write_text(f"export AWS_ENDPOINT_URL_{service}=http://127.0.0.1:{made.port}\n{before}")
    try:
        environment.up()
        yield made
    finally:
        made.open = True
        script.write_text(before)
        environment.up()
