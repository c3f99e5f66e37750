"""Lint says what is wrong with a project's owners and silences before a run does."""

from pathlib import Path

from mwaactl.lint import alert_rules


def test_a_project_without_such_files_is_fine(tmp_path: Path) -> None:
    assert list(alert_rules.check(tmp_path)) == []


def test_wrong_and_expired_entries_are_findings(tmp_path: Path) -> None:
    (tmp_path / "alerts.yml").write_text("owners: {fleet: {mention: carla}}")
    (tmp_path / "silences.yml").write_text(
        "- {node: a, reason: b, owner: c, until: 2020-01-01}\n"
        "- {node: a}\n"
        "- {node: d, reason: b, owner: c, until: 2999-01-01}\n"
    )
    found = list(alert_rules.check(tmp_path))
    assert [Path(one.file).name for one in found] == ["alerts.yml", "silences.yml", "silences.yml"]
    assert "mention is 'carla'" in found[0].message
    assert "silence 2: reason and owner and until are missing" in found[1].message
    assert "has expired" in found[2].message
