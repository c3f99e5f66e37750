"""YAML files that people write: read as a mapping, or refused in words."""

from pathlib import Path
from typing import Any

import yaml

from mwaactl.errors import Problem


def mapping(path: Path) -> dict[str, Any]:
    """Return what the file at `path` maps; an empty file maps nothing.

    Raises Problem when it can't be read, isn't YAML in UTF-8, or holds something else than names and values.
    """
    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise Problem(f"{path} can't be read: {error.strerror}.", "Restore it, or let this account read it.") from error
    except UnicodeDecodeError as error:
        raise Problem(f"{path} is not text in UTF-8.", "Save it in UTF-8.") from error
    except yaml.YAMLError as error:
        raise Problem(f"{path} is not YAML: {error}", "Correct the line it names.") from error
    if found is not None and not isinstance(found, dict):
        raise Problem(f"{path} holds no `name: value` lines.", "Write it as names and their values.")
    return found or {}
