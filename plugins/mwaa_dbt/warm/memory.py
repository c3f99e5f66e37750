"""How much memory is left: the machine's or, in a container, the group's. Standard library only."""

from __future__ import annotations

from pathlib import Path

_ROOT = Path("/sys/fs/cgroup")


def available(
    meminfo: Path = Path("/proc/meminfo"), groups: Path = _ROOT, own: Path = Path("/proc/self/cgroup")
) -> int:
    """Return the bytes that may still be used before something is killed, as far as the kernel tells."""
    left = [int(line.split()[1]) * 1024 for line in meminfo.read_text().splitlines() if line.startswith("MemAvailable")]
    left += [max(0, limit - used) for limit, used in _limits(groups, own)]
    return min(left, default=1 << 62)


def _limits(groups: Path, own: Path) -> list[tuple[int, int]]:
    """Return limit and use of this process' group and those above it (cgroup v2), or of the container (v1)."""
    found = []
    if (groups / "memory" / "memory.limit_in_bytes").exists():  # v1
        folder = groups / "memory"
        found.append((folder, "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"))
    else:
        lines = own.read_text().splitlines() if own.exists() else []
        here = next((groups / line[3:].lstrip("/") for line in lines if line.startswith("0::")), groups)
        for folder in (here, *here.parents):
            found.append((folder, "memory.max", "memory.current", "inactive_file"))
            if folder == groups:
                break
    limits = []
    for folder, limit_file, used_file, cache_key in found:
        try:
            limit = (folder / limit_file).read_text().strip()
            used = int((folder / used_file).read_text())
            stat = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
        except (OSError, ValueError):
            continue
        if limit != "max" and int(limit) < 1 << 60:
            limits.append((int(limit), max(0, used - int(stat.get(cache_key, 0)))))  # file cache gives way
    return limits


def resident() -> int:
    """Return the bytes of memory that this process holds."""
    import resource

    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
