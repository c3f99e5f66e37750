"""uv.toml: MWAA's constraints for uv.lock. Run by `make lock`."""

from pathlib import Path

from mwaactl.local.layout import AIRFLOW_VERSION, REPOSITORY

HEADER = f"""# Made by 'make lock' from mwaactl/image/{AIRFLOW_VERSION}/constraints.txt: uv.lock resolves as MWAA's.
constraint-dependencies = [
"""


def uv_toml(constraints: Path) -> str:
    """Return uv.toml with each line of a constraints file."""
    lines = (line.strip() for line in constraints.read_text(encoding="utf-8").splitlines())
    wanted = sorted(line for line in lines if line and not line.startswith("#"))
    return HEADER + "".join(f'  "{line}",\n' for line in wanted) + "]\n"


if __name__ == "__main__":
    (REPOSITORY / "uv.toml").write_text(
        uv_toml(REPOSITORY / "mwaactl" / "image" / AIRFLOW_VERSION / "constraints.txt"), encoding="utf-8"
    )
