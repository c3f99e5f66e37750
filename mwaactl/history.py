"""History on this machine: an environment's results, copied as far as they are new, and questions to them."""

import hashlib
import os
import re
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from botocore.exceptions import BotoCoreError, ClientError
from mwaa_dbt.history import queries
from mwaa_dbt.history.index import Index
from mwaa_dbt.history.place import Place
from mwaa_dbt.history.sync import sync

from mwaactl.environments import Environment
from mwaactl.errors import Problem
from mwaactl.local.layout import Layout

_UNITS = {"h": 3600.0, "d": 86400.0, "w": 7 * 86400.0}


def place_of(environment: Environment) -> Place:
    """Return where an environment's tasks keep history: what its options say of the bucket."""
    options = environment.own_options
    return Place.beside(options["mwaa_dbt.bucket"], options.get("mwaa_dbt.bucket_prefix", ""))


def read(environment: Environment, layout: Layout, told: Callable[[str], None]) -> Index:
    """Return the index of an environment's history, brought up to date; `told` hears what is being read.

    Raises Problem when the bucket can't be read.
    """
    place = place_of(environment)
    index = Index(_folder(environment, layout) / f"{hashlib.sha256(str(place).encode()).hexdigest()[:16]}.db")
    try:
        sync(environment.client("s3"), place, index, told)
    except (BotoCoreError, ClientError) as error:
        raise Problem(
            f"{place} can't be read: {error}",
            "Check your credentials; reading needs s3:ListBucket and s3:GetObject there.",
        ) from error
    return index


def _folder(environment: Environment, layout: Layout) -> Path:
    if environment.is_local:
        return layout.root / "history"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "mwaactl" / "history"


def nodes_of(index: Index, name: str) -> list[str]:
    """Return the unique ids that `name` may mean. Raises Problem, with names that look alike, when there is none."""
    try:
        return queries.resolve(index, name)
    except queries.UnknownNodeError as error:
        near = f"Did you mean {', '.join(error.near)}?" if error.near else "`mwaactl history` lists the latest runs."
        raise Problem(f"{error}: no result of it was ever kept.", near) from error


def since(text: str, now: float | None = None) -> float:
    """Return the moment that `text` names: `36h`, `7d`, `4w` ago, or a date, `2026-11-01` or `2026-11-01T06:00` (UTC).

    Raises ValueError when it is neither.
    """
    ago = re.fullmatch(r"(\d+)([hdw])", text.strip())
    if ago:
        return max(0.0, (now or time.time()) - int(ago[1]) * _UNITS[ago[2]])
    moment = datetime.fromisoformat(text.strip())
    return max(0.0, (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())
