"""Who is told: a project's `alerts.yml` says where each owner reads alerts.

    owners:
      fleet:
        mention: U012AB3CD          # Slack's id of a user (U, W) or of a user group (S)
        channel: "#fleet-alerts"
        mail: fleet@example.com     # or a list

Every key may be left out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from mwaa_dbt.alerts.event import Route

FILE = "alerts.yml"
_MENTION = re.compile(r"[UWS][A-Z0-9]{2,}")
_CHANNEL = re.compile(r"#?[^\s#<>@]{1,80}")
_MAIL = re.compile(r"[^@\s,<>]+@[^@\s,<>]+")
_KEYS = ("mention", "channel", "mail")


def read(project_dir: Path) -> tuple[dict[str, Route], list[str]]:
    """Return the routes in the project's file by owner, and what is wrong with it, in words; no file: neither."""
    path = project_dir / FILE
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}, []
    except (OSError, ValueError, yaml.YAMLError) as error:
        return {}, [f"{path.parent.name}/{FILE} can't be read, so no owner is known: {_one_line(error)}"]
    owners = (content or {}).get("owners") if isinstance(content or {}, Mapping) else None
    if owners is None and not content:
        return {}, []
    if not isinstance(owners, Mapping):
        return {}, [f"{path.parent.name}/{FILE} has no `owners:` with an entry per owner, so no owner is known."]
    routes, problems = {}, []
    for owner, fields in owners.items():
        wrong = _wrong(fields)
        problems += [f"{path.parent.name}/{FILE}, owner {owner}: {text}" for text in wrong]
        routes[str(owner)] = _route(str(owner), fields if isinstance(fields, Mapping) else {})
    return routes, problems


def route(owner: str, project_dir: Path | None) -> tuple[Route, list[str]]:
    """Return the route of `owner` in the project, and what is wrong with the project's file."""
    routes, problems = read(project_dir) if project_dir is not None else ({}, [])
    return routes.get(owner) or Route(owner=owner, unknown=bool(owner and routes)), problems


def _wrong(fields: Any) -> list[str]:
    if not isinstance(fields, Mapping):
        return ["write mention, channel or mail under the name."]
    found = [f"{key!r} is none of {', '.join(_KEYS)}." for key in fields if key not in _KEYS]
    for key, form, like in (
        ("mention", _MENTION, "Slack's id of a user or group, like U012AB3CD"),
        ("channel", _CHANNEL, "a channel, like '#fleet-alerts' (in quotes: # begins a comment)"),
    ):
        if key in fields and not form.fullmatch(str(fields[key] or "")):
            found.append(f"{key} is {fields[key]!r}, but must be {like}.")
    found += [f"mail is {mail!r}, which is no address." for mail in _mails(fields) if not _MAIL.fullmatch(mail)]
    return found


def _route(owner: str, fields: Mapping[str, Any]) -> Route:
    mention, channel = str(fields.get("mention") or ""), str(fields.get("channel") or "")
    return Route(
        owner=owner,
        mention=mention if _MENTION.fullmatch(mention) else "",
        channel=channel if _CHANNEL.fullmatch(channel) else "",
        mail=tuple(mail for mail in _mails(fields) if _MAIL.fullmatch(mail)),
    )


def _mails(fields: Mapping[str, Any]) -> list[str]:
    mail = fields.get("mail") or []
    return [str(one).strip() for one in mail] if isinstance(mail, list) else [str(mail).strip()]


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
