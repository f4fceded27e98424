"""AWS policies as Terraform, written from the policy itself and read back by the same grammar.

Source: registry.terraform.io/providers/hashicorp/aws/latest/docs/data-sources/iam_policy_document.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from service.domain import Artifact, ArtifactKind, Cause
from service.proof.claim import InvalidArtifact
from service.proof.hcl import Block, read_hcl, write_text
from service.proof.iam_policy import Layer, Names, Statement, layer_of, make_statement, read_policy

_DOCUMENT = "aws_iam_policy_document"
_HOLDER = re.compile(r"arn:[\w-]+:(?:iam|sts)::\d{12}:(?P<kind>user|role|assumed-role)/(?P<name>[\w+=,.@/-]+)\Z")
_FIELDS = {
    "Action": "actions",
    "NotAction": "not_actions",
    "Resource": "resources",
    "NotResource": "not_resources",
}


def twin_of(artifact: Artifact, principal: str | None, cause: Cause | None) -> Artifact | None:
    """The same policy as Terraform; None where the artifact is no AWS policy."""
    try:
        statements = read_policy(artifact.content)
    except InvalidArtifact:
        return None
    attached = layer_of(statements) is Layer.IDENTITY and cause is Cause.MISSING_GRANT
    holder = _HOLDER.match(principal or "") if attached else None
    content = write_terraform(statements, holder)
    return Artifact(
        kind=ArtifactKind.CONFIG,
        title=f"{artifact.title}, as Terraform",
        content=content,
        placeholders=tuple(name for name in artifact.placeholders if name in content),
        apply=_say_where(holder),
    )


def write_terraform(statements: tuple[Statement, ...], holder: re.Match[str] | None = None) -> str:
    """The policy as a document; with its holder, a role or a user by ARN, attached to it as an inline policy."""
    label = re.sub(r"\W+", "_", statements[0].actions[0].lower()) if statements[0].actions else "policy"
    lines = [f'data "{_DOCUMENT}" "{label}" {{']
    for statement in statements:
        lines += ["  statement {", *(f"    {line}" for line in _write_statement(statement)), "  }"]
    lines.append("}")
    if holder:
        lines += ["", *_write_attachment(holder, label)]
    return "\n".join(lines)


def read_terraform(content: str) -> tuple[Statement, ...]:
    """The statements of the policy documents in a Terraform text. Raises `InvalidArtifact` and `Unknown`."""
    documents = [one for one in read_hcl(content).inner("data") if one.labels[:1] == (_DOCUMENT,)]
    statements = tuple(_read_statement(one) for document in documents for one in document.inner("statement"))
    if not statements:
        raise InvalidArtifact(f"holds no statement of a {_DOCUMENT}")
    return statements


def is_terraform(content: str) -> bool:
    """Whether a text is a policy document of Terraform."""
    return content.startswith(f'data "{_DOCUMENT}"')


def _say_where(holder: re.Match[str] | None) -> str:
    if holder:
        kind = "user" if holder["kind"] == "user" else "role"
        return f"Where Terraform manages the {kind}; the plan must show one added inline policy and nothing else."
    return "Where Terraform manages the policy: merge the document with source_policy_documents, and read the plan."


def _write_attachment(holder: re.Match[str], label: str) -> Iterator[str]:
    is_user = holder["kind"] == "user"
    parts = holder["name"].split("/")
    kind = "user" if is_user else "role"
    name = parts[0] if holder["kind"] == "assumed-role" else parts[-1]
    yield f'resource "aws_iam_{kind}_policy" "{label}" {{'
    yield f"  name   = {write_text(label.replace('_', '-'))}"
    yield f"  {kind}   = {write_text(name)}"
    yield f"  policy = data.{_DOCUMENT}.{label}.json"
    yield "}"


def _write_statement(statement: Statement) -> Iterator[str]:
    if statement.sid:
        yield f"sid = {write_text(statement.sid)}"
    if not statement.allows:
        yield 'effect = "Deny"'
    for field in _FIELDS.values():
        if held := getattr(statement, field):
            yield f"{field} = {_write_list(held)}"
    yield from _write_principals("principals", statement.principals)
    yield from _write_principals("not_principals", statement.not_principals)
    for operator, keys in statement.conditions.items():
        for key, values in keys.items():
            yield "condition {"
            yield f"  test     = {write_text(operator)}"
            yield f"  variable = {write_text(key)}"
            yield f"  values   = {_write_list(values)}"
            yield "}"


def _write_principals(block: str, principals: Names | None) -> Iterator[str]:
    for kind, names in (principals or {}).items():
        yield f"{block} {{"
        yield f"  type        = {write_text(kind)}"
        yield f"  identifiers = {_write_list(names)}"
        yield "}"


def _write_list(values: tuple[str, ...]) -> str:
    return f"[{', '.join(map(write_text, values))}]"


def _read_statement(block: Block) -> Statement:
    data: dict[str, Any] = {"Effect": block.attributes.get("effect", "Allow")}
    data |= {name: block.attributes[field] for name, field in _FIELDS.items() if field in block.attributes}
    if "sid" in block.attributes:
        data["Sid"] = block.attributes["sid"]
    for kind, name in (("principals", "Principal"), ("not_principals", "NotPrincipal")):
        if blocks := block.inner(kind):
            data[name] = _read_principals(blocks)
    data["Condition"] = _read_conditions(block.inner("condition"))
    return make_statement(data)


def _read_principals(blocks: tuple[Block, ...]) -> Mapping[str, Any] | str:
    named = {_attribute(one, "type"): _attribute(one, "identifiers") for one in blocks}
    return "*" if named == {"*": ["*"]} else named


def _read_conditions(blocks: tuple[Block, ...]) -> dict[str, dict[str, Any]]:
    conditions: dict[str, dict[str, Any]] = {}
    for one in blocks:
        conditions.setdefault(_attribute(one, "test"), {})[_attribute(one, "variable")] = _attribute(one, "values")
    return conditions


def _attribute(block: Block, name: str) -> Any:
    held = block.attributes.get(name)
    if not isinstance(held, str | list):
        raise InvalidArtifact(f"{block.type} needs {name}")
    return held
