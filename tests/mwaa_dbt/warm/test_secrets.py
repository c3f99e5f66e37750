"""Secrets live in the child of their request; fork-safety with each adapter."""

from __future__ import annotations

import json
import re
import threading
from pathlib import Path

import psutil
import pytest

from tests import projects
from tests.mwaa_dbt.warm.conftest import Zoo, folder, wait_for
from tests.mwaa_dbt.warm.test_server import SLOW, children, servers_of

SECRET = "correct-horse-battery-staple"


def memory_of(pid: int) -> bytearray:
    """Return all that a process could read of its own memory."""
    found = bytearray()
    with Path(f"/proc/{pid}/mem").open("rb", buffering=0) as memory:
        for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
            match = re.match(r"([0-9a-f]+)-([0-9a-f]+) rw", line)
            if match:
                start, end = (int(part, 16) for part in match.groups())
                memory.seek(start)
                try:
                    found += memory.read(end - start)
                except OSError:
                    continue
    return found


def test_a_secret_is_in_the_child_alone(zoo: Zoo) -> None:
    (zoo.root / "profiles.yml").write_text(
        "zoo: {target: dev, outputs: {dev: {type: duckdb, path: \"{{ env_var('WAREHOUSE') }}\", schema: main,\n"
        "  config_options: {custom_user_agent: \"{{ env_var('HIDDEN') }}\"}}}}\n"
    )
    zoo.env["HIDDEN"] = SECRET
    zoo.secrets = frozenset({"HIDDEN"})
    assert zoo.run("ls") == 0
    (server,) = servers_of(zoo)
    running = zoo.start(zoo.request(*SLOW))
    thread = threading.Thread(target=lambda: running.run(str))
    thread.start()
    wait_for(lambda: children(server))
    child = children(server)[0].pid
    wait_for(lambda: SECRET.encode() in memory_of(child))  # so that the same look at the server means something
    assert SECRET.encode() not in memory_of(server)
    assert SECRET not in Path(f"/proc/{server}/environ").read_text()
    assert SECRET not in " ".join(psutil.Process(server).cmdline() + psutil.Process(child).cmdline())
    running.kill()
    thread.join(120)
    written = [p for p in (*folder().rglob("*"), *zoo.root.rglob("*")) if p.is_file() and not p.is_socket()]
    assert not [p for p in written if SECRET.encode() in p.read_bytes()]


def test_a_project_that_reads_a_secret_is_not_kept_warm(zoo: Zoo, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "mwaa_dbt.process")
    zoo.env["FLAVOR"] = SECRET
    zoo.secrets = frozenset({"FLAVOR"})
    assert zoo.run("run", "--select", "of_env") == 0
    assert "reads the secret FLAVOR" in caplog.text
    assert SECRET not in caplog.text


ADAPTERS = {
    "duckdb": 'type: duckdb, path: ":memory:", schema: main',
    "snowflake": "type: snowflake, account: a-b, user: u, database: d, warehouse: w, schema: s,"
    " private_key: \"{{ env_var('KEY') }}\"",
    "bigquery": "type: bigquery, method: service-account-json, project: p, dataset: d, keyfile_json:"
    " {type: service_account, project_id: p, client_email: a@b.c, token_uri: https://x.y,"
    " private_key_id: k, private_key: \"{{ env_var('KEY') }}\"}",
}


@pytest.mark.parametrize("adapter", ADAPTERS)
def test_no_thread_and_no_connection_before_the_fork(zoo: Zoo, adapter: str) -> None:
    zoo.root = zoo.root.parent / adapter
    projects.small(
        zoo.root, "zoo", {"models/one.sql": "select 1 as id", "models/two.sql": "select * from {{ ref('one') }}"}
    )
    (zoo.root / "profiles.yml").write_text(f"zoo: {{target: dev, outputs: {{dev: {{{ADAPTERS[adapter]}}}}}}}\n")
    zoo.env["KEY"] = SECRET
    zoo.secrets = frozenset({"KEY"})
    assert zoo.run("ls", "--output", "json") == 0, zoo.said
    assert [json.loads(line)["name"] for line in zoo.said if line.startswith("{")] == ["one", "two"]
    (server,) = servers_of(zoo)
    process = psutil.Process(server)
    assert process.num_threads() == 1
    assert [c.laddr for c in process.net_connections("inet")] == []
    assert [c.laddr for c in process.net_connections("unix")] == [str(next(folder().glob("*.sock")))] or all(
        str(folder()) in c.laddr for c in process.net_connections("unix")
    )
    assert not [f.path for f in process.open_files() if "duckdb" in f.path]


def test_each_patch_of_dbt_finds_its_place(venv: Path) -> None:
    import subprocess

    warm = Path(__file__).parents[3] / "plugins/mwaa_dbt/warm"
    code = f"import sys; sys.path.insert(0, {str(warm)!r}); import deployed, hooks, lean;"
    code += "lean.apply(); deployed.apply(); hooks.apply(); print(lean.MISSING)"
    assert subprocess.check_output([venv / "bin/python", "-c", code], text=True).strip() == "[]"


def test_a_few_nodes_of_the_graph_are_linked_as_dbt_links_them(venv: Path) -> None:
    import subprocess

    code = f"""
import random, sys
sys.path.insert(0, {str(Path(__file__).parents[3] / "plugins/mwaa_dbt/warm")!r})
import networkx, lean
from dbt.graph import Graph
original = Graph.get_subset_graph
lean.apply()
random.seed(1)
for _ in range(200):
    graph = networkx.DiGraph((a, b) for a in range(30) for b in range(a + 1, 30) if random.random() < 0.1)
    chosen = set(random.sample(sorted(graph), 7))
    ours, theirs = Graph(graph).get_subset_graph(chosen), original(Graph(graph), chosen)
    assert set(ours.graph.nodes) == set(theirs.graph.nodes) and set(ours.graph.edges) == set(theirs.graph.edges)
"""
    subprocess.run([venv / "bin/python", "-c", code], check=True)
