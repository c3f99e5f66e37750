"""dbt's static extraction of one `ref(...)` or `source(...)`, without the thread pool that dbt's own starts.

dbt reads the relation of a YAML snapshot and the inputs of unit tests with a Rust extension (dbt_extractor), whose
first call starts a pool of threads; a process with threads can't be forked safely. Only the server parses with this.
"""

from __future__ import annotations

import ast
from typing import Any


def extract(source: str) -> dict[str, list[Any]]:
    """Return what dbt_extractor.py_extract_from_source returns for `{{ ref(...) }}` or `{{ source(...) }}`.

    Raises dbt_extractor.ExtractionError for anything else, as that does for what it can't read.
    """
    from dbt_extractor import ExtractionError

    found: dict[str, list[Any]] = {"refs": [], "sources": [], "configs": []}
    try:
        call = ast.parse(source.strip().removeprefix("{{").removesuffix("}}").strip(), mode="eval").body
        if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name):
            raise ValueError(source)
        values = [ast.literal_eval(argument) for argument in call.args]
        options = {str(keyword.arg): ast.literal_eval(keyword.value) for keyword in call.keywords}
    except (SyntaxError, ValueError) as error:
        raise ExtractionError(source) from error
    if call.func.id == "source" and len(values) == 2 and not options:
        found["sources"].append(tuple(values))
    elif call.func.id == "ref" and len(values) in (1, 2) and options.keys() <= {"version", "v"}:
        ref = {"name": values[-1]}
        if len(values) == 2:
            ref["package"] = values[0]
        if options:
            ref["version"] = options.get("version", options.get("v"))
        found["refs"].append(ref)
    else:
        raise ExtractionError(source)
    return found
