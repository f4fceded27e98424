"""A first draft of a rule from one text, for a person to finish."""

import re
from io import StringIO

from ruamel.yaml import YAML
from ruamel.yaml.scalarstring import LiteralScalarString, SingleQuotedScalarString

_MAX_PATTERN = 120


def write_stub(system: str, text: str, *, with_header: bool) -> str:
    """YAML of a rule with `text` as its example; the pattern is its first telling line, escaped."""
    rule = {
        "id": f"{system}.NAME",
        "title": "WHO may not DO WHAT",
        "verdict": "permission",
        "cause": "missing_grant",
        "confidence": "likely",
        "patterns": [SingleQuotedScalarString(_escape(_telling_line(text)))],
        "explanation": "Two to five sentences: why, and what it is not.",
        "fix": {"summary": "The smallest change.", "steps": ["Required: ...", "Held: ...", "Change: ...", "Test: ..."]},
        "references": ["https://"],
        "examples": [{"text": LiteralScalarString(text), "expect": {"principal": None}}],
        "counterexamples": [{"text": "the nearest text that is something else", "why": "..."}],
    }
    header = {"format": 1, "system": system, "owner": "WHOM-TO-ASK"}
    out = StringIO()
    yaml = YAML()
    yaml.width = 4096
    yaml.indent(mapping=2, sequence=4, offset=2)
    yaml.dump({**header, "rules": [rule]} if with_header else {"rules": [rule]}, out)
    return out.getvalue() if with_header else out.getvalue().split("\n", 1)[1]


def _telling_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    telling = [
        line
        for line in lines
        if re.search(r"denied|forbidden|not (authorized|permitted|allowed)|permission", line, re.IGNORECASE)
    ]
    return (telling or lines or ["denied"])[0][:_MAX_PATTERN]


def _escape(line: str) -> str:
    return re.sub(r"([\\.+*?()|\[\]{}^$])", r"\\\1", line)
