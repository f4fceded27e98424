"""Entries of access lists and manifests that hold one right each: the whole text is one entry, the missing one.

Each form is the owner's own grammar of that entry, matched from end to end; a text with anything more is not judged.
"""

import re
from dataclasses import dataclass
from functools import cache
from typing import Any

import re2

from service.domain import Artifact
from service.proof.claim import Denied, Proof, Unknown, judge


@dataclass(frozen=True)
class Form:
    """A form of entry: its grammar, with groups; the permission that it grants, in the ways in which rules name it."""

    family: str
    grammar: re.Pattern[str]
    grants: tuple[str, ...]
    names_caller: bool = False


def _form(family: str, grammar: str, *grants: str, names_caller: bool = False) -> Form:
    return Form(family, re.compile(grammar), grants, names_caller)


_FORMS = (
    _form(
        "mosquitto acl",
        r"user (?P<who>\S+)\ntopic (?P<right>read|write|readwrite) (?P<what>[^\n]+)",
        "{right} {what}",
        "{right} on topic {what} in the ACL",
        names_caller=True,
    ),
    _form(
        "nats permission",
        r'permissions: \{\s*(?P<right>publish|subscribe): \{ ?allow: \[ ?"(?P<what>[^"\s]+)" ?\] ?\}\s*\}',
        "{right} {what}",
    ),
    _form(
        "argo cd policy",
        r"p, (?P<who>[^,\n]+), (?P<kind>[^,\n]+), (?P<right>[^,\n]+), (?P<what>[^,\n]+), allow",
        "{kind}, {right}, {what}",
        names_caller=True,
    ),
    _form(
        "casbin policy",
        r"p, (?P<who>[^,\n]+), (?P<what>[^,\n]+), (?P<right>[^,\n]+)",
        "p, {who}, {what}, {right}",
        names_caller=True,
    ),
    _form("android permission", r'<uses-permission android:name="(?P<what>[\w.]+)" />', "{what}"),
    _form("nginx access", r"allow (?P<what>[0-9a-fA-F.:]+);", "allow {what} in the location"),
    _form("java policy", r'permission (?P<what>[\w.]+ "[^"\n]+"(?:, "[^"\n]+")?);', "permission {what};"),
    _form("apparmor rule", r"(?P<what>/[^\s,]+) (?P<right>[rwaxmlkiuUpPcC]+),", "{what} {right}"),
    _form(
        "systemd capability",
        r"\[Service\]\nAmbientCapabilities=(?P<what>CAP_\w+)\nCapabilityBoundingSet=(?P=what)",
        "{what}",
    ),
    _form("shopify scope", r'\[access_scopes\]\nscopes = "EXISTING_SCOPES,(?P<what>\w+)"', "{what}"),
    _form("slack scope", r'oauth_config:\n  scopes:\n    (?:bot|user):\n      - "(?P<what>[\w:.]+)"', "{what}"),
    _form(
        "mongodb role",
        r'\{"grantRolesToUser": "[^"\n]+", "roles": \[\{"role": "(?P<right>\w+)", "db": "(?P<what>[^"\n]+)"\}\]\}',
        "{right}@{what}",
    ),
)
_TOO_MUCH = frozenset({"*", "#", ">", "root", "/**", "readwrite"})


def family_of(content: str) -> str | None:
    """The family of an entry, or None where no form fits from end to end."""
    form, _ = _read(content)
    return form.family if form else None


def prove_entry(artifact: Artifact, denied: Denied) -> Proof:
    """Raises `Unknown`."""
    form, found = _read(artifact.content)
    if form is None or found is None:
        raise Unknown("a text that is not one entry")
    stated = [
        one for one in denied.missing for words in form.grants if _shape_of(form.grammar.pattern, words).fullmatch(one)
    ]
    if not stated:
        raise Unknown(f"which entry {', '.join(denied.missing) or 'the event'} means")
    granted = [words.format(**found) for words in form.grants]
    serves = any(_fits(one, artifact.placeholders, permission) for one in granted for permission in stated)
    short = None if serves else f"{granted[0]} is not {', '.join(stated)}"
    who = found.get("who")
    if form.names_caller and who and denied.principal and who not in (denied.principal, *artifact.placeholders):
        short = short or f"it is about {who}, but {denied.principal} was denied"
    wide = [value for value in (found.get("what"), found.get("right")) if value in _TOO_MUCH]
    beside = tuple(f"allows {one}" for one in wide if one != denied.resource)
    return judge(form.family, short=short, overgrants=beside)


def _read(content: str) -> tuple[Form | None, dict[str, str] | None]:
    for form in _FORMS:
        if found := form.grammar.fullmatch(content.strip()):
            return form, {name: value for name, value in found.groupdict().items() if value is not None}
    return None, None


@cache
def _shape_of(grammar: str, words: str) -> Any:
    """How a permission of this form reads: its rights by name, the rest anything."""
    rights = re.search(r"\(\?P<right>([a-z|]+)\)", grammar)
    named = re.escape(words).replace(r"\{right\}", f"(?:{rights[1]})") if rights else re.escape(words)
    return re2.compile(re.sub(r"\\{\w+\\}", r"\\S.*", named))


def _fits(granted: str, placeholders: tuple[str, ...], permission: str) -> bool:
    """Whether the entry is the permission once each placeholder stands for something."""
    pattern = re.escape(granted)
    for name in placeholders:
        pattern = pattern.replace(re.escape(name), r"\S+")
    return re2.fullmatch(pattern, permission) is not None
