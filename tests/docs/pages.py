"""The documentation as data: its pages, links, code blocks and the commands it names."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mwaactl.local.layout import REPOSITORY

DOCS = REPOSITORY / "docs"
OWN_PROJECT = DOCS / "own-project.md"

_FENCE = re.compile(r"^```(?P<language>[\w ]*)\n(?P<content>.*?)^```$", re.MULTILINE | re.DOTALL)
_FILE_BLOCK = re.compile(r"^`(?P<path>[^`]+)`:\n```\w+\n(?P<content>.*?)^```$", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"`([^`\n]+)`")
_LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ (.*)$", re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, its text."""

    language: str
    content: str


def pages() -> list[Path]:
    """Return README, changelog and every page below docs/."""
    found = [REPOSITORY / "README.md", REPOSITORY / "CHANGELOG.md", *sorted(DOCS.rglob("*.md"))]
    assert len(found) > 10, f"pages are missing: {found}"
    return found


def blocks(page: Path) -> list[Block]:
    """Return the page's fenced blocks, in order."""
    return [Block(match["language"], match["content"]) for match in _FENCE.finditer(page.read_text())]


def files(page: Path) -> dict[str, str]:
    """Return the files that the page tells the reader to create: a line with the path, then a block."""
    return {match["path"]: match["content"] for match in _FILE_BLOCK.finditer(page.read_text())}


def commands(page: Path) -> list[list[str]]:
    """Return the commands of the page's shell blocks, each as a list of arguments, in order."""
    shell = [block.content for block in blocks(page) if block.language == "sh"]
    return [shlex.split(line, comments=True) for text in shell for line in _joined(text) if line.strip()]


def mentioned(page: Path) -> list[str]:
    """Return everything on the page that stands in code: lines of shell blocks, and inline code."""
    text = page.read_text()
    inline = _CODE.findall(_FENCE.sub("", text))
    shell = [line for block in blocks(page) if block.language == "sh" for line in _joined(block.content)]
    return [*inline, *shell]


def links(page: Path) -> list[str]:
    """Return the targets of the page's links and images."""
    return _LINK.findall(_FENCE.sub("", page.read_text()))


def anchors(page: Path) -> set[str]:
    """Return the anchors of the page's headings, as GitHub makes them."""
    text = _FENCE.sub("", page.read_text())
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in _HEADING.findall(text)}


def _joined(text: str) -> Iterator[str]:
    yield from text.replace("\\\n", " ").splitlines()
