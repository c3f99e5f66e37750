from pathlib import Path

import pytest

from mwaactl import dbt_venv
from mwaactl.landing import write_landing
from tests.dbt.harness import DUMMY_PROFILES, Dbt


@pytest.fixture(scope="session")
def dbt(tmp_path_factory: pytest.TempPathFactory) -> Dbt:
    return Dbt(python=dbt_venv.ensure(print) / "bin" / "python", scratch=tmp_path_factory.mktemp("dbt"))


@pytest.fixture(scope="session")
def dummy_profiles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("profiles")
    (directory / "profiles.yml").write_text(DUMMY_PROFILES)
    return directory


@pytest.fixture(scope="session")
def landing(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("landing")
    write_landing(directory)
    return directory
