"""Redaction: no secret reaches the database, a prompt, a log or a page."""

from service.redact.redactor import Redacted, RedactionFailed, Redactor

__all__ = ["Redacted", "RedactionFailed", "Redactor"]
