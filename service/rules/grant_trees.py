"""Over-broad grants in what can be parsed: JSON and YAML, also where it is embedded in a command or in HCL.

Parsing sees through what spelling hides: escapes, anchors, flow and block style, key order, another nested document.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

_DEEPEST, _MOST_NODES, _MOST_EMBEDDED = 60, 20_000, 40
_HEREDOC = re.compile(r"<<-?\s*[\"']?(\w+)[\"']?[^\n]*\n")
_RESOURCELESS = re.compile(
    r"(ecr:GetAuthorizationToken|ec2:Describe\w+|s3:ListAllMyBuckets|sts:DecodeAuthorizationMessage"
    r"|cloudwatch:(PutMetricData|GetMetricData|GetMetricStatistics|ListMetrics)"
    r"|iam:(ListRoles|ListUsers|ListPolicies|GetAccountSummary)|kms:(ListKeys|ListAliases|CreateKey|GenerateRandom)"
    r"|organizations:List\w+|ce:\w+|pricing:\w+|tag:GetResources|sqs:ListQueues|sns:ListTopics|lambda:ListFunctions"
    r"|dynamodb:ListTables|secretsmanager:ListSecrets|ssm:DescribeParameters|logs:DescribeLogGroups|rds:DescribeDB\w+"
    r"|elasticloadbalancing:Describe\w+|autoscaling:Describe\w+|bedrock:List\w+|xray:Put\w+|eks:ListClusters"
    r"|ecs:ListClusters|route53:ListHostedZones|aws-marketplace:\w+)\Z",
    re.IGNORECASE,
)
"""Actions for which the AWS service authorization reference lists no resource type, so that they take "*" only."""

_GREAT_ROLES = frozenset(
    "root dbowner userdaminanydatabase useradminanydatabase readanydatabase readwriteanydatabase dbadminanydatabase "
    "clusteradmin __system superuser owner".split()
)
_HOST_PATHS = re.compile(
    r"/|/(etc|root|proc|sys|dev|boot|usr|bin|lib|home|run|var|var/run|var/lib|var/lib/kubelet)/?|.*\.sock"
)
_GREAT_CAPABILITIES = frozenset("all sys_admin sys_ptrace sys_module dac_override dac_read_search net_admin".split())


def read_documents(content: str) -> list[Any]:
    """Every document of a YAML or JSON text, scalars as text and tags ignored. Raises `ValueError` with the problem."""
    if _depth(content) > _DEEPEST:
        raise ValueError("is nested too deeply")
    yaml = YAML(typ="base", pure=True)
    yaml.allow_duplicate_keys = True
    yaml.composer.warn_double_anchors = False
    try:
        return list(yaml.load_all(content))
    except (YAMLError, ValueError, TypeError, AttributeError) as error:
        raise ValueError(str(error).splitlines()[0]) from None
    except RecursionError:
        raise ValueError("is nested too deeply") from None


def read_trees(content: str) -> tuple[list[Any], str]:
    """The values that the text holds, and the text without what was read of it."""
    if whole := _read_whole(content):
        return whole, ""
    trees: list[Any] = []
    for body in _heredocs(content):
        if found := _read_whole(body):
            trees += found
            content = content.replace(body, "\n")
    return _cut_embedded(content, trees)


def find_in_tree(tree: Any) -> Iterator[str]:
    """Reasons why one parsed value grants too much."""
    waiting, seen = [tree], 0
    while waiting and (seen := seen + 1) < _MOST_NODES:
        value = waiting.pop()
        if isinstance(value, Mapping):
            fields = {str(name).casefold(): one for name, one in value.items()}
            if _word(fields.get("effect")) == "deny":
                continue
            yield from _find_in_mapping(fields)
            waiting += fields.values()
        elif isinstance(value, list | tuple):
            waiting += value
        elif isinstance(value, str) and "{" in value and len(value) > 2:
            waiting += [one for one in _read_json(value) if isinstance(one, Mapping | list)]


def _find_in_mapping(fields: Mapping[str, Any]) -> Iterator[str]:
    actions = _texts(fields.get("action")) + _texts(fields.get("actions"))
    if any("*" in one or "?" in one for one in actions):
        yield "allows a wildcard of actions"
    for name in ("notaction", "notactions", "notresource", "notprincipal"):
        if _texts(fields.get(name)) and not (actions and name == "notactions"):
            yield f"allows everything but some ({name})"
    resources = _texts(fields.get("resource")) + _texts(fields.get("resources"))
    if actions and any(map(_is_everywhere, resources)) and not all(map(_RESOURCELESS.match, actions)):
        yield "allows every resource"
    if any(one in {"*", "arn:aws:iam::*:root"} for one in _texts(fields.get("principal"))):
        yield "allows everybody"
    yield from _find_in_role(fields)
    yield from _find_in_pod(fields)


def _is_everywhere(resource: str) -> bool:
    parts = resource.split(":", 5)
    if len(parts) < 6:
        return bool(re.fullmatch(r"[*/]*\*[*/]*", resource))
    everyone = parts[4] == "*" and parts[5].endswith("*")
    return bool(re.fullmatch(r"[*/]*\*[*/]*", parts[5])) or everyone


def _find_in_role(fields: Mapping[str, Any]) -> Iterator[str]:
    if {"verbs", "apigroups"} & set(fields):
        granted = [one for name in ("verbs", "resources", "apigroups") for one in _texts(fields.get(name))]
        granted += [one for one in _texts(fields.get("nonresourceurls")) if one in {"*", "/*"}]
        if any("*" in one for one in granted):
            yield "grants a wildcard"
    if _word(_at(fields, "roleref", "name")) in {"cluster-admin", "admin"}:
        yield "binds an administrator's role"
    if any(one.casefold() in _GREAT_ROLES for name in ("role", "roles") for one in _texts(fields.get(name))):
        yield "assigns an administrator's role"
    if _word(fields.get("anyresource")) == "true" or (".write" in fields and _word(fields[".write"]) == "true"):
        yield "allows every resource"
    if "*" in _texts(fields.get("names")) or "all" in map(str.casefold, _texts(fields.get("privileges"))):
        yield "grants a wildcard"
    if "all" in map(str.casefold, _texts(fields.get("cluster"))):
        yield "grants every privilege on the cluster"
    if _word(fields.get("access_level")) == "50":
        yield "makes an owner"
    if any(_is_empty_rule(fields.get(name)) for name in ("rules", "ingress")):
        yield "has a rule without a condition, which lets everybody in"


def _find_in_pod(fields: Mapping[str, Any]) -> Iterator[str]:
    if _word(_at(fields, "hostpath", "path")) and _HOST_PATHS.fullmatch(_word(_at(fields, "hostpath", "path"))):
        yield "mounts the host"
    added = _texts(_at(fields, "capabilities", "add"))
    if any(one.casefold().removeprefix("cap_") in _GREAT_CAPABILITIES for one in added):
        yield "adds a capability that amounts to root"
    if _word(fields.get("runasuser")) == "0" or _word(fields.get("runasnonroot")) == "false":
        yield "runs as root"


def _is_empty_rule(rules: Any) -> bool:
    return isinstance(rules, list) and any(isinstance(one, Mapping) and not one for one in rules)


def _texts(value: Any) -> list[str]:
    """The scalars of a value, of a list, and of the values of a mapping, two levels deep."""
    if isinstance(value, Mapping):
        return [text for one in value.values() for text in _texts(one) if not isinstance(one, Mapping)]
    if isinstance(value, list | tuple):
        named = (one.get("role", one.get("name")) if isinstance(one, Mapping) else one for one in value)
        return [str(one).strip() for one in named if isinstance(one, str | int | float)]
    return [str(value).strip()] if isinstance(value, str | int | float) else []


def _at(fields: Mapping[str, Any], outer: str, inner: str) -> Any:
    held = fields.get(outer)
    return {str(name).casefold(): one for name, one in held.items()}.get(inner) if isinstance(held, Mapping) else None


def _word(value: Any) -> str:
    return str(value).strip().casefold() if isinstance(value, str | int | float) else ""


def _read_whole(text: str) -> list[Any]:
    found = _read_json(text.strip())
    if not found:
        try:
            found = read_documents(text)
        except ValueError:
            return []
    return [one for one in found if isinstance(one, Mapping | list)]


def _read_json(text: str) -> list[Any]:
    if not text.startswith(("{", "[")) or _depth(text) > _DEEPEST:
        return []
    try:
        return [json.loads(text, object_pairs_hook=_join)]
    except ValueError:
        return []


def _join(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object in which a name that stands twice keeps both values."""
    joined: dict[str, Any] = {}
    for name, value in pairs:
        joined[name] = [joined[name], value] if name in joined else value
    return joined


def _cut_embedded(content: str, trees: list[Any]) -> tuple[list[Any], str]:
    rest, start = [], 0
    decoder = json.JSONDecoder(object_pairs_hook=_join)
    usable = _depth(content) <= _DEEPEST
    position = content.find("{") if usable else -1
    for _ in range(_MOST_EMBEDDED):
        if position < 0:
            break
        try:
            value, end = decoder.raw_decode(content, position)
        except ValueError:
            position = content.find("{", position + 1)
            continue
        trees.append(value)
        rest.append(content[start:position])
        start = end
        position = content.find("{", end)
    return trees, "".join([*rest, content[start:]])


def _heredocs(content: str) -> Iterator[str]:
    for opened in _HEREDOC.finditer(content):
        end = content.find(f"\n{opened[1]}", opened.end() - 1)
        if end > opened.end():
            yield content[opened.end() : end + 1]


def _depth(text: str) -> int:
    depth = deepest = 0
    for character in text:
        if character in "[{":
            depth += 1
            deepest = max(deepest, depth)
        elif character in "]}" and depth:
            depth -= 1
    return deepest
