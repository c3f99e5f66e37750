"""The generated projects: sizes, layers, and no link to a model that isn't there."""

import pytest

from bench import projects


@pytest.mark.parametrize("size", [10, 100, 1000])
def test_models_are_as_many_as_asked_for_and_read_only_earlier_layers(size: int) -> None:
    made = {model.name: model for model in projects.models(size)}
    assert len(made) == size
    for model in made.values():
        assert all(made[parent].layer < model.layer for parent in model.parents)
        assert model.parents or model.source


def test_a_sample_hangs_together() -> None:
    sample = projects.sample(100, 4, 3)
    made = {model.name: model for model in projects.models(100)}
    assert len(sample) == 12
    assert all(set(made[name].parents) & set(sample) for name in sample if made[name].layer)


def test_the_shape_lists_parents_first_and_knows_who_has_tests() -> None:
    nodes = {
        "model.p.b": {"depends_on": {"nodes": ["model.p.a", "source.p.raw.t"]}},
        "model.p.a": {"depends_on": {"nodes": ["seed.p.s"]}},
        "seed.p.s": {"depends_on": {"nodes": []}},
        "test.p.fine.1": {"depends_on": {"nodes": ["model.p.b"]}},
    }
    assert projects.shape({"nodes": nodes}) == [
        {"name": "s", "kind": "seed", "parents": [], "tested": False},
        {"name": "a", "kind": "model", "parents": ["s"], "tested": False},
        {"name": "b", "kind": "model", "parents": ["a"], "tested": True},
    ]
