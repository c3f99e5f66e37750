"""What MWAA's API answers when it refuses something."""

from typing import Any

from mwaactl.local.mwaa.service_model import service


class Refused(Exception):
    """An operation ends with one of the service model's exceptions; `members` are those of its shape."""

    def __init__(self, code: str, **members: Any) -> None:
        super().__init__(f"{code}: {members.get('message') or members.get('Message') or members}")
        self.code = code
        self.members = members

    @property
    def status(self) -> int:
        """HTTP's status for it, from the service model."""
        return int(service().shape_for(self.code).metadata["error"]["httpStatusCode"])


def invalid(message: str) -> Refused:
    """Return the exception for a request that breaks a rule."""
    return Refused("ValidationException", message=message)


def missing(name: str) -> Refused:
    """Return the exception for an environment that doesn't exist."""
    return Refused("ResourceNotFoundException", message=f"Environment {name} not found.")
