"""Whether a mail that wasn't taken will never be: because of its address, not of the server, sender or network."""

from __future__ import annotations

import smtplib
from typing import Any


def for_ever(error: Exception, address: str) -> bool:
    """Return whether `error` refuses `address` for good: SMTP's 5xx to it or the mail, or SES' MessageRejected of it.

    A sender or a login that is refused concerns everybody and is mended by a person: the mail waits for that.
    """
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return all(code >= 500 for code, _ in error.recipients.values())
    if isinstance(error, smtplib.SMTPDataError):
        return error.smtp_code >= 500
    answer: Any = getattr(error, "response", None)  # botocore's ClientError
    code = answer.get("Error", {}).get("Code") if isinstance(answer, dict) else None
    return code == "MessageRejected" and address in str(error)
