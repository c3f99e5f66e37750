"""What a rule has against a line, and how it is printed."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

FORMATS = ("text", "json", "github")


@dataclass(frozen=True, order=True)
class Finding:
    """`rule` broken in line `line` of `file` (relative to the source folder; 1 if no line is to blame)."""

    file: str
    line: int
    rule: str
    message: str


def printed(findings: Sequence[Finding], form: str) -> str:
    """Return the findings as text, as JSON, or as GitHub's annotations ("::error file=...")."""
    if form == "json":
        return json.dumps([asdict(one) for one in findings], indent=1)
    if form == "github":
        return "\n".join(_annotation(one) for one in findings)
    return "\n".join(f"{one.file}:{one.line}: {one.message} [{one.rule}]" for one in findings)


def _annotation(one: Finding) -> str:
    # GitHub: "Workflow commands", escapes of properties and of data.
    def escaped(text: str, more: str = "") -> str:
        for character in f"%\r\n{more}":
            text = text.replace(character, f"%{ord(character):02X}")
        return text

    title = escaped(one.rule, ":,")
    return f"::error file={escaped(one.file, ':,')},line={one.line},title={title}::{escaped(one.message)}"
