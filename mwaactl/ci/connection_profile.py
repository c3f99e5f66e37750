"""Run in a process of its own: makes a dbt profile of a connection's secret, as a worker does.

Reads {"conn_id", "secret", "profile", "target"} as JSON from standard input, so that the secret is on no command line;
prints {"profiles": text of profiles.yml, "env": its secrets} as the last line. Exit status 3: the connection is no
good, and the last line on standard error says why.
"""

import json
import sys


def main() -> int:
    """Convert, and return the exit status."""
    asked = json.load(sys.stdin)
    from airflow.sdk import Connection
    from mwaa_dbt import profiles
    from mwaa_dbt.errors import MwaaDbtError

    def given(conn_id: str) -> Connection:
        secret = asked["secret"].strip()
        return Connection.from_json(secret, conn_id) if secret.startswith("{") else Connection.from_uri(secret, conn_id)

    profiles.get_connection = given
    try:
        mapping = profiles.ConnectionProfileMapping(asked["conn_id"])
        text = mapping.get_profile_file_contents(profile_name=asked["profile"], target_name=asked["target"])
        secrets = {name: str(value) for name, value in mapping.env_vars.items()}
    except (MwaaDbtError, ValueError) as error:
        sys.stderr.write(f"\n{error}\n")
        return 3
    sys.stdout.write("\n" + json.dumps({"profiles": text, "env": secrets}) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
