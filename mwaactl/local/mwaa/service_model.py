"""MWAA's service model as botocore carries it: which request is which operation, and what fits its shapes.

botocore itself checks types and minimums before it sends, but neither maximums nor patterns; AWS' servers check all of
it. The limits are read from the model, so that a new botocore brings new ones.
"""

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from functools import cache
from typing import Any
from urllib.parse import unquote

from botocore.loaders import Loader
from botocore.model import OperationModel, ServiceModel, Shape

OPERATIONS = (
    "CreateCliToken",
    "CreateWebLoginToken",
    "GetEnvironment",
    "InvokeRestApi",
    "ListEnvironments",
    "UpdateEnvironment",
)
_TYPES: dict[str, Any] = {
    "string": str,
    "integer": int,
    "boolean": bool,
    "timestamp": datetime,
    "structure": Mapping,
    "map": Mapping,
    "list": list,
}


@cache
def service() -> ServiceModel:
    """Return botocore's model of MWAA."""
    return ServiceModel(Loader().load_service_model("mwaa", "service-2"), "mwaa")


@cache
def _routes() -> list[tuple[str, re.Pattern[str], OperationModel]]:
    found = []
    for name in OPERATIONS:
        operation = service().operation_model(name)
        pattern = re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", operation.http["requestUri"])
        found.append((operation.http["method"], re.compile(pattern), operation))
    return found


def operation(method: str, path: str) -> tuple[OperationModel, dict[str, str]] | None:
    """Return the operation that a request is, with the members that its path holds; None when it is none of ours."""
    for wanted, pattern, found in _routes():
        if method == wanted and (match := pattern.fullmatch(path)):
            return found, {name: unquote(value) for name, value in match.groupdict().items()}
    return None


def query_members(shape: Shape, query: Mapping[str, str]) -> dict[str, Any]:
    """Return the members of an input shape that travel in the query string; a number that is none stays a text."""
    found: dict[str, Any] = {}
    for name, member in getattr(shape, "members", {}).items():
        if member.serialization.get("location") == "querystring":
            value = query.get(member.serialization.get("name", name))
            if value is not None:
                number = member.type_name == "integer" and re.fullmatch(r"-?\d+", value)
                found[name] = int(value) if number else value
    return found


def violations(shape: Shape, value: Any, path: str = "") -> list[str]:
    """Return what is wrong with `value` as a value of `shape`, in AWS' words; an empty list when nothing is."""
    return list(_violations(shape, value, path))


def _violations(shape: Shape, value: Any, path: str) -> Iterator[str]:
    if getattr(shape, "is_document_type", False):
        return  # any JSON
    expected = _TYPES[shape.type_name]
    if not isinstance(value, expected) or (isinstance(value, bool) and expected is int):
        yield _said(shape, value, path, f"Member must be of type {shape.type_name}")
        return
    yield from _limits(shape, value, path)
    if shape.type_name == "structure":
        for name in shape.metadata.get("required", ()):
            if value.get(name) is None:
                yield f"Value null at '{_below(path, name)}' failed to satisfy constraint: Member must not be null"
        for name, inner in value.items():
            if name not in shape.members:
                yield f"Unknown member '{_below(path, name)}'"
            elif inner is not None:
                yield from _violations(shape.members[name], inner, _below(path, name))
    elif shape.type_name == "map":
        for name, inner in value.items():
            yield from _violations(shape.key, name, path)
            yield from _violations(shape.value, inner, _below(path, name))
    elif shape.type_name == "list":
        for number, inner in enumerate(value):
            yield from _violations(shape.member, inner, f"{path}.{number + 1}.member")


def _limits(shape: Shape, value: Any, path: str) -> Iterator[str]:
    limits = shape.metadata
    size, of = (value, "value") if shape.type_name == "integer" else (None, "length")
    if shape.type_name in ("string", "list", "map"):
        size = len(value)
    if size is not None and "min" in limits and size < limits["min"]:
        yield _said(shape, value, path, f"Member must have {of} greater than or equal to {limits['min']}")
    if size is not None and "max" in limits and size > limits["max"]:
        yield _said(shape, value, path, f"Member must have {of} less than or equal to {limits['max']}")
    if "pattern" in limits and not re.fullmatch(limits["pattern"], value):
        yield _said(shape, value, path, f"Member must satisfy regular expression pattern: {limits['pattern']}")
    if "enum" in limits and value not in limits["enum"]:
        yield _said(shape, value, path, f"Member must satisfy enum value set: [{', '.join(limits['enum'])}]")


def _said(shape: Shape, value: Any, path: str, rule: str) -> str:
    shown = "" if shape.metadata.get("sensitive") else f" '{str(value)[:200]}'"
    return f"Value{shown} at '{path}' failed to satisfy constraint: {rule}"


def _below(path: str, name: str) -> str:
    name = name[:1].lower() + name[1:]
    return f"{path}.{name}" if path else name
