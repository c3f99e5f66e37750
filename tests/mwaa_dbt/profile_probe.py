"""Run in a process of its own: prints, as JSON, the dbt profile of each connection named on the command line."""

from __future__ import annotations

import json
import logging
import sys

logging.disable(logging.CRITICAL)


def main() -> None:
    from mwaa_dbt.errors import MwaaDbtError
    from mwaa_dbt.operators import profile_config
    from mwaa_dbt.profiles import ConnectionProfileMapping

    assert isinstance(profile_config("shop", "dev").profile_mapping, ConnectionProfileMapping)
    answers = {}
    for conn_id in sys.argv[1:]:
        mapping = ConnectionProfileMapping(conn_id)
        try:
            text = mapping.get_profile_file_contents(profile_name="shop", target_name="dev")
            answers[conn_id] = {
                "mapping": type(mapping.resolved).__name__,
                "text": text,
                "env": {name: str(value) for name, value in mapping.env_vars.items()},
            }
        except MwaaDbtError as error:
            answers[conn_id] = {"error": type(error).__name__, "words": str(error)}
    sys.stdout.write("\n" + json.dumps(answers) + "\n")


main()
