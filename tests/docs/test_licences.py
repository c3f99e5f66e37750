"""docs/decisions/dependencies.md: what depends on what, and its licence."""

import re
import tomllib
from importlib.metadata import metadata

import pytest

from mwaactl.local.layout import REPOSITORY
from tests.docs import pages

PAGE = (pages.DOCS / "decisions" / "dependencies.md").read_text()
#: What packages call a licence -> what the page calls it.
NAMES = {
    "Apache Software License": "Apache-2.0",
    "Apache-2.0": "Apache-2.0",
    "BSD-3-Clause": "BSD-3-Clause",
    "MIT License": "MIT",
    "MIT-0": "MIT-0",
    "MIT": "MIT",
    "CC0": "CC0",
    "MPL-2.0": "MPL-2.0",
    "MPL-2.0 AND (Apache-2.0 OR MIT)": "Apache-2.0 or MIT, parts MPL-2.0",
}


def direct() -> list[str]:
    """Return the names of the packages that pyproject.toml asks for, as their metadata can be found here."""
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())
    entries = [*project["project"]["dependencies"]]
    for group in project["dependency-groups"].values():
        entries += [entry for entry in group if isinstance(entry, str)]
    return sorted({match[0].lower() for entry in entries if (match := re.match(r"[A-Za-z0-9-]+", entry))})


def licence(package: str) -> str:
    """Return the licence that the package's metadata names."""
    fields = metadata(package)
    classifiers = [line.rpartition(" :: ")[2] for line in fields.get_all("Classifier") or [] if "License ::" in line]
    for name in (fields.get("License-Expression"), fields.get("License"), *classifiers):
        if name in NAMES:
            return NAMES[name]
    pytest.fail(f"{package}: an unknown licence; see whether it fits Apache-2.0, then add it to NAMES")


@pytest.mark.parametrize("package", direct())
def test_the_page_names_package_and_licence(package: str) -> None:
    if package in ("apache-airflow", "apache-airflow-providers-standard", "apache-airflow-providers-smtp"):
        assert licence(package) == "Apache-2.0"  # MWAA's image has them
        return
    rows = [line for line in PAGE.splitlines() if re.search(rf"\b{re.escape(package)}\b", line) and line[:1] == "|"]
    assert rows, f"dependencies.md doesn't say why there is {package}"
    assert licence(package) in rows[0], rows[0]
