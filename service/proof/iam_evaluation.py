"""Does a policy allow a request? Explicit deny beats allow, and what is not allowed is denied.

Source: "Policy evaluation logic" and "IAM JSON policy elements reference" of the IAM User Guide.
"""

import re
from dataclasses import dataclass, field, replace
from typing import Any

from service.proof.claim import Unknown
from service.proof.iam_condition import Context, holds, matches
from service.proof.iam_policy import Names, Statement

_SESSION = re.compile(r"arn:(?P<partition>[\w-]+):sts::(?P<account>\d{12}):assumed-role/(?P<role>[^/]+)/.*\Z")


@dataclass(frozen=True)
class Request:
    """One request: who, does what, on what. `principal` None matches every principal: the event does not say who."""

    action: str
    resource: str
    principal: str | None = None
    context: Context = field(default_factory=dict)

    def but(self, **changes: Any) -> "Request":
        """The same request with one thing changed."""
        return replace(self, **changes)


def allows(statements: tuple[Statement, ...], request: Request) -> bool:
    """Whether the document by itself allows the request. Raises `Unknown` where it cannot tell."""
    applying = [one for one in statements if _applies(one, request)]
    return any(one.allows for one in applying) and all(one.allows for one in applying)


def _applies(statement: Statement, request: Request) -> bool:
    return (
        _covers_action(statement, request.action)
        and _covers_resource(statement, request.resource)
        and _covers_principal(statement, request.principal)
        and all(
            holds(operator, key, wanted, request.context)
            for operator, keys in statement.conditions.items()
            for key, wanted in keys.items()
        )
    )


def _covers_action(statement: Statement, action: str) -> bool:
    if statement.not_actions:
        return not any(matches(one.lower(), action.lower()) for one in statement.not_actions)
    return any(matches(one.lower(), action.lower()) for one in statement.actions)


def _covers_resource(statement: Statement, resource: str) -> bool:
    if statement.not_resources:
        return not any(_covers(one, resource) for one in statement.not_resources)
    if not statement.resources:
        return True  # trust policies and a few resource policies are about the resource they stand on
    return any(_covers(one, resource) for one in statement.resources)


def _covers(pattern: str, resource: str) -> bool:
    if "${" in pattern:
        raise Unknown("a policy variable")
    return matches(pattern, resource)


def _covers_principal(statement: Statement, principal: str | None) -> bool:
    if statement.not_principals is not None:
        return principal is not None and not _names(statement.not_principals, principal)
    return statement.principals is None or principal is None or _names(statement.principals, principal)


def _names(principals: Names, principal: str) -> bool:
    for kind, names in principals.items():
        if "*" in names:
            return True
        if kind == "AWS" and any(_is_principal(name, principal) for name in names):
            return True
        if kind != "AWS" and principal in names:
            return True
    return False


def _is_principal(name: str, principal: str) -> bool:
    """An account's id or root ARN stands for the account; a role's ARN for all its sessions."""
    account = principal.split(":")[4] if principal.count(":") >= 5 else ""
    if re.fullmatch(r"\d{12}", name):
        return name == account
    if name.endswith(":root"):
        return bool(account) and name.split(":")[4] == account
    session = _SESSION.match(principal)
    role = f"arn:{session['partition']}:iam::{session['account']}:role/" if session else ""
    if session and name.startswith(role):
        return name.rpartition("/")[2] == session["role"]  # a session's ARN leaves the role's path out
    return name == principal
