"""`mwaactl ci check` that is interrupted while dbt builds: by Ctrl-C, and by a CI service that cancels the job."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mwaactl import environments
from mwaactl.errors import INTERRUPTED
from tests import projects
from tests.mwaactl.ci.production import Production

ENVIRONMENTS = """
    prod:
      mwaa: {0.mwaa}
      bucket: {0.bucket}
      region: {0.region}
      account: "{0.account}"
      target: {0.target}
    """
#: As the command `mwaactl` on a terminal, even if the tests run where SIGINT is ignored (a script's `pytest &`).
MWAACTL = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)
from mwaactl.cli import main
main()
"""
#: Says that it has begun, then takes minutes of one core.
ENDLESS = """
    {{ config(
        materialized='table',
        pre_hook=["set threads = 1", "copy (select 1 as one) to '" ~ env_var('SHOP_BEGAN') ~ "'"],
    ) }}
    select sum(range) as amount from range(10000000000000)
    """


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "cancelled"])
def test_an_interrupted_check_leaves_no_schema(
    shop: Production, endpoint: str, tmp_path: Path, number: signal.Signals
) -> None:
    projects.write(shop.source, {environments.ENVIRONMENTS_FILE: ENVIRONMENTS.format(shop.environment)})
    shop.edit("models/total.sql", lambda _: ENDLESS)
    began, schema = tmp_path / "began", f"ci_interrupted_{number.name.lower()}"
    check = subprocess.Popen(
        [sys.executable, "-c", MWAACTL, "ci", "check", "--source", str(shop.source), "--schema", schema],
        env={**os.environ, "AWS_ENDPOINT_URL": endpoint, "SHOP_BEGAN": str(began)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,  # as a shell gives a command a group of its own
    )
    try:
        deadline = time.monotonic() + 120
        while not began.exists() and check.poll() is None and time.monotonic() < deadline:
            time.sleep(0.1)
        assert began.exists(), check.communicate()[0]
        os.killpg(check.pid, number)
        said, _ = check.communicate(timeout=60)
    finally:
        check.kill()
    assert check.returncode == INTERRUPTED, said
    assert f"Interrupted. The schemas of {schema} were dropped." in said
    assert shop.schemas() == {"shop"}, "and dbt's process has let go of the warehouse"
