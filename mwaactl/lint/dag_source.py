"""Rules for the text of DAG files: nothing is looked up while a file is parsed.

Airflow parses DAG files all the time, and once more for each task. A look at the code finds what is written in the file
itself; what a function of another module does is found by tests/dags, which parses without network.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

from mwaactl.lint.findings import Finding

#: Calls that ask somebody, by what they are called from: of Airflow, AWS, the network.
_LOOKUPS = {
    "airflow.sdk.Variable": "an Airflow Variable",
    "airflow.models.Variable": "an Airflow Variable",
    "airflow.sdk.Connection.get": "a Connection",
    "airflow.models.Connection.get": "a Connection",
    "airflow.sdk.BaseHook": "a Connection",
    "airflow.hooks.base.BaseHook": "a Connection",
    "boto3": "AWS",
    "botocore": "AWS",
    "requests": "the network",
    "httpx": "the network",
    "urllib.request": "the network",
    "urllib3": "the network",
    "http.client": "the network",
    "socket": "the network",
    "smtplib": "the network",
}


def check(path: Path, source: Path) -> list[Finding]:
    """Return the lookups that run when the DAG file at `path` is imported; file names are relative to `source`."""
    file = path.relative_to(source).as_posix()
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"))
    except SyntaxError as error:
        return [Finding(file, error.lineno or 1, "dag-import", f"can't be parsed: {error.msg}")]
    except ValueError as error:  # not UTF-8; a zero byte
        return [Finding(file, 1, "dag-import", f"is not text in UTF-8: {error}")]
    names = _imported(tree)
    found = []
    for call in _run_at_import(tree):
        name = _dotted(call.func, names)
        for prefix, what in _LOOKUPS.items():
            if name == prefix or name.startswith(f"{prefix}."):
                message = f"{ast.unparse(call.func)}() asks for {what} whenever the file is parsed: move it into a task"
                found.append(Finding(file, call.lineno, "dag-lookup", message))
                break
    return found


def dag_lines(path: Path) -> dict[str, int]:
    """Return the line of each DAG(...) or @dag(...) of the file, by the id that is written there."""
    found = {}
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and _dotted(node.func, {}).split(".")[-1] in ("DAG", "dag"):
            named = [one.value for one in node.keywords if one.arg == "dag_id"]
            for one in [*node.args[:1], *named]:
                if isinstance(one, ast.Constant) and isinstance(one.value, str):
                    found[one.value] = node.lineno
    return found


def _imported(tree: ast.Module) -> dict[str, str]:
    """Return what each imported name stands for."""
    found = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for one in node.names:
                found[one.asname or one.name.split(".")[0]] = one.name if one.asname else one.name.split(".")[0]
        elif isinstance(node, ast.ImportFrom) and node.module:
            for one in node.names:
                found[one.asname or one.name] = f"{node.module}.{one.name}"
    return found


def _dotted(node: ast.expr, names: dict[str, str]) -> str:
    """Return a.b.c for the expression a.b.c, with what `a` was imported as; through calls in between (a().b)."""
    if isinstance(node, ast.Name):
        return names.get(node.id, node.id)
    if isinstance(node, ast.Attribute):
        return f"{_dotted(node.value, names)}.{node.attr}"
    if isinstance(node, ast.Call):
        return _dotted(node.func, names)
    return ""


def _run_at_import(node: ast.AST) -> Iterator[ast.Call]:
    """Yield the calls below `node` that run when the module is imported: none in the body of a function."""
    if isinstance(node, ast.Call):
        yield node
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        children: list[ast.AST] = [
            *node.decorator_list,
            *node.args.defaults,
            *(one for one in node.args.kw_defaults if one),
        ]
        # A function that @dag makes a DAG of is called while the file is parsed; @task's are not.
        if any(_dotted(one, {}).split(".")[-1] == "dag" for one in node.decorator_list):
            children += node.body
    elif isinstance(node, ast.Lambda):
        children = []
    else:
        children = list(ast.iter_child_nodes(node))
    for child in children:
        yield from _run_at_import(child)
