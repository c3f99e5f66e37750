"""All interleavings of runs that share a lock: two never work at once, and none waits for ever."""

from __future__ import annotations

import random
from collections import deque

import pytest

from tests.mwaa_dbt.exclusion.world import DagRun, Rules, World, by_itself, by_persons


class Explored:
    """All worlds that can be reached (until two runs work at once), and how each was reached first."""

    def __init__(self, rules: Rules, runs: int = 2) -> None:
        first = World(tuple(DagRun() for _ in range(runs)), rules=rules)
        self.came: dict[World, tuple[str, World] | None] = {first: None}
        self.before: dict[World, list[World]] = {}
        self.clash: World | None = None
        todo = deque([first])
        while todo:
            world = todo.popleft()
            if sum(run.working for run in world.runs) > 1:
                self.clash = world
                return
            alone = list(by_itself(world))
            for _, after in alone:
                self.before.setdefault(after, []).append(world)
            for what, after in (*alone, *by_persons(world)):
                if after not in self.came:
                    self.came[after] = (what, world)
                    todo.append(after)

    def way(self, world: World | None) -> str:
        """The steps that lead to `world`."""
        found = []
        while world is not None and (came := self.came[world]) is not None:
            found.append(came[0])
            world = came[1]
        return " > ".join(reversed(found))

    def stuck(self) -> World | None:
        """A world from which the runs can't all end any more unless somebody intervenes."""
        fine = {world for world in self.came if all(run.ended for run in world.runs)}
        todo = list(fine)
        while todo:
            for before in self.before.get(todo.pop(), ()):
                if before not in fine:
                    fine.add(before)
                    todo.append(before)
        return next((world for world in self.came if world not in fine), None)


@pytest.mark.parametrize(
    ("rules", "runs", "worlds"),
    [
        (Rules(interventions=0), 2, 800),
        (Rules(interventions=1), 2, 30_000),
        (Rules(interventions=2, same_dag=True), 2, 100_000),
    ],
)
def test_never_two_at_once_and_never_for_ever(rules: Rules, runs: int, worlds: int) -> None:
    explored = Explored(rules, runs)
    assert explored.clash is None, explored.way(explored.clash)
    stuck = explored.stuck()
    assert stuck is None, explored.way(stuck)
    assert len(explored.came) > worlds, "the world has become smaller: look what can't happen any more"


@pytest.mark.parametrize(("runs", "interventions"), [(2, 6), (3, 4), (4, 3)])
def test_random_ways_through_larger_worlds(runs: int, interventions: int) -> None:
    """What is too large to go through whole: three hundred random ways, always the same."""
    chance = random.Random(f"{runs} {interventions}")
    worked = 0
    for _ in range(300):
        world = World(tuple(DagRun() for _ in range(runs)), rules=Rules(interventions=interventions))
        way = []
        for _ in range(200):
            possible = [*by_itself(world), *(by_persons(world) if chance.random() < 0.1 else ())]
            if not possible:
                break
            what, world = chance.choice(possible)
            way.append(what)
            assert sum(run.working for run in world.runs) <= 1, " > ".join(way)
        worked += "succeeds" in str(way)
    assert worked > 100, "too few ways come to work at all: they show little"


@pytest.mark.parametrize(
    ("rules", "by"),
    [
        (Rules(interventions=0, conditional_write=False), "1: reads"),
        (Rules(interventions=1, killed_in_grace=False), "run marked failed"),
        (Rules(interventions=1, era_checked=False), "run queued again"),
        (Rules(interventions=1, mark_success=True), "task marked success"),
    ],
)
def test_the_checker_finds_what_each_rule_prevents(rules: Rules, by: str) -> None:
    """Without the rule two work at once. The last is no rule but the known exception (docs/decisions/exclusion.md)."""
    explored = Explored(rules)
    assert explored.clash is not None
    assert by in explored.way(explored.clash)


def test_a_cleared_run_that_waits_for_the_waiting_one_to_end_doesnt_count_as_working() -> None:
    """With max_active_runs=1 each would wait for the other."""
    explored = Explored(Rules(interventions=1, same_dag=True, queued_works=True))
    assert explored.clash is None
    assert explored.stuck() is not None
