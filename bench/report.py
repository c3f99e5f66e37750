"""The results as tables for people: what `make bench` prints and puts into docs/benchmarks.md."""

from __future__ import annotations

from pathlib import Path
from statistics import median
from typing import Any

from bench import arms, dbt_task
from bench.figures import additional_memory, figures, fitting, ratio
from bench.results import Results, per_task

BEGIN, END = "<!-- figures: begin (written by `make bench`) -->", "<!-- figures: end -->"


def table(head: list[str], rows: list[list[str]]) -> str:
    """Return a Markdown table; empty without rows."""
    if not rows:
        return ""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def number(value: float | None, digits: int = 2, unit: str = "") -> str:
    """Return a number for people; a dash for None."""
    return "–" if value is None else f"{value:,.{digits}f}{unit and ' '}{unit}"  # noqa: RUF001


def markdown(results: Results) -> str:
    """Return everything that was measured."""
    parts = [
        _about(results.content["about"]),
        ("Figures to reach", _figures(results)),
        ("DAG runs", _runs(results)),
        ("One task of this project, as Airflow sees it", _one_task(results)),
        ("One dbt command", _task(results)),
        ("Parsing the DAG file", _parse(results)),
        ("Memory of dbt", _memory(results)),
        ("Cold start of a worker", _cold(results)),
        ("Remarks", "".join(f"- {note}\n" for note in results.content["notes"])),
    ]
    return "\n".join(p if isinstance(p, str) else f"### {p[0]}\n\n{p[1]}" for p in parts if isinstance(p, str) or p[1])


def _about(about: dict[str, Any]) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in about.get("versions", {}).items())
    rest = "" if about.get("state") == "complete" else " **Incomplete.**"
    return (
        f"Measured on {about.get('date')} at commit {about.get('commit')}, in {about.get('minutes', '?')} minutes: "
        f"{about.get('cores')} cores ({about.get('cpu')}), {about.get('memory_gb')} GB, {about.get('system')}, "
        f"load before: {about.get('load_before')}. {versions}.{rest}\n"
    )


def _figures(results: Results) -> str:
    rows = []
    for figure in figures(results):
        sign, digits = ("≤" if figure.at_most else "≥"), 0 if figure.unit == "MB" else 2
        verdict = {True: "reached", False: "**missed**", None: "not measured"}[figure.reached]
        wanted = f"{sign} {figure.wanted:g} {figure.unit}"
        rows.append([figure.name, wanted, number(figure.measured, digits, figure.unit), verdict])
    return table(["figure", "wanted", "measured", ""], rows)


def _runs(results: Results) -> str:
    rows = []
    for size in results.sizes("runs"):
        for slots in (1, 4):
            floor = results.median("runs", "wall", arm="noop", size=size, slots=slots)
            for arm in arms.ARMS.values():
                found = results.select("runs", arm=arm.key, size=size, slots=slots)
                if not found:
                    continue
                wanted = {"arm": arm.key, "size": size, "slots": slots}
                wall, count = results.median("runs", "wall", **wanted), found[0]["tasks"]
                same = found[0]["tasks"] == results.median("runs", "tasks", arm="noop", size=size, slots=slots)
                rows.append(
                    [
                        f"{size:,}",
                        str(slots),
                        arm.title,
                        f"{count} of the DAG's" if found[0]["sampled"] else f"all {count}",
                        str(len(found)),
                        number(wall, 1, "s"),
                        number(ratio(wall, floor) if same else None, 2, "x"),
                        number(per_task(results, **wanted), 2, "s"),
                    ]
                )
    head = ["models", "slots", "arm", "tasks run", "runs", "wall", "wall / no-op", "worker time per task"]
    return table(head, rows)


def _one_task(results: Results) -> str:
    rows = []
    for size in results.sizes("runs"):
        # With one slot only: beside other tasks each part takes longer than it was measured alone.
        found = results.select("runs", arm="ours", size=size, slots=1)
        whole = [seconds for sample in found for seconds in sample["durations"].get("run", [])]
        parts = [results.median("parse", "seconds", arm="ours", size=size, mode="task")]
        parts += [results.median("task", part, size=size, way="warm") for part in ("start", "read", "work", "end")]
        known = [part for part in parts if part is not None]
        if whole and len(known) == len(parts):
            rest = median(whole) - sum(known)
            rows.append([f"{size:,}", *(number(value, 3) for value in (median(whole), *known, rest))])
    head = ["models", "a `run` task, s", "parse", "dbt: start", "read the project", "work", "artifacts, end"]
    return table([*head, "rest (Airflow's own)"], rows)


def _task(results: Results) -> str:
    rows = []
    for size in results.sizes("task"):
        for way, title in dbt_task.WAYS.items():
            found = results.select("task", size=size, way=way)
            if found:
                fields = ("seconds", "start", "read", "work", "end")
                values = [number(results.median("task", f, size=size, way=way), 3) for f in fields]
                rows.append([f"{size:,}", title, str(len(found)), *values])
        first = results.median("task", "seconds", size=size, way="first")
        if first is not None:
            rows.append([f"{size:,}", "the first: starts the warm dbt", "1", number(first, 3), "", "", "", ""])
    head = [
        "models",
        "`dbt run` of one model",
        "samples",
        "seconds",
        "start",
        "read the project",
        "work",
        "artifacts, end",
    ]
    return table(head, rows)


def _parse(results: Results) -> str:
    rows = []
    for size in results.sizes("parse"):
        for arm in ("noop", "ours", "virtualenv"):
            wanted = {"size": size, "arm": arm}
            found = results.select("parse", **wanted, mode="dag")
            if not found:
                continue

            def of(field: str, mode: str = "dag", wanted: dict[str, Any] = wanted) -> float | None:
                return results.median("parse", field, **wanted, mode=mode)

            serialized = of("serialized_bytes")
            rows.append(
                [
                    f"{size:,}",
                    arms.ARMS[arm].title if arm != "virtualenv" else "stock Cosmos",
                    str(found[0]["tasks"]),
                    number(of("seconds"), 2, "s"),
                    number(of("peak_mb"), 0, "MB"),
                    number(of("serialize_seconds"), 2, "s"),
                    number(of("peak_serialized_mb"), 0, "MB"),
                    number(serialized and serialized / 1e6, 2, "MB"),
                    number(of("seconds", "task"), 3, "s"),
                    number(of("peak_mb", "task"), 0, "MB"),
                ]
            )
    head = ["models", "DAG", "tasks", "parse", "its memory", "serialize", "memory of both", "serialized DAG"]
    return table([*head, "parse at a task's start", "its memory"], rows)


def _memory(results: Results) -> str:
    rows = []
    for size in results.sizes("memory"):
        for way in ("warm", "plain"):
            if not results.select("memory", size=size, way=way):
                continue
            one = results.median("memory", "total_mb", size=size, way=way, concurrent=1)
            fit = [fitting(results, size, way, gb) for gb in (2, 4, 8)]
            more = additional_memory(results, size, way)
            title = dbt_task.WAYS[way]
            row = [f"{size:,}", title, number(one, 0, "MB"), number(more, 0, "MB")]
            rows.append([*row, *(str(f) if f is not None else number(f) for f in fit)])
    return table(
        ["models", "way", "first (server included)", "each further one", "fit into 2 GB", "4 GB", "8 GB"], rows
    )


def _cold(results: Results) -> str:
    rows = [
        [number(s["startup_seconds"], 1, "s"), number(s["dbt_version_seconds"], 1, "s"), f"{s['venv_mb']} MB"]
        for s in results.content["cold_start"]
    ]
    return table(["startup.sh, nothing cached", "first `dbt --version`", "size of the virtualenv"], rows)


def into_document(text: str, document: Path) -> None:
    """Put `text` between the markers of a Markdown file. Raises ValueError if it has none."""
    content = document.read_text()
    if content.count(BEGIN) != 1 or content.count(END) != 1:
        raise ValueError(f"{document} has no place for figures: {BEGIN} and {END}")
    before, rest = content.split(BEGIN)
    document.write_text(f"{before}{BEGIN}\n\n{text}\n{END}{rest.split(END)[1]}")
