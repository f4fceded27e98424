"""What is wrong with a change that a model proposes: too broad, against a guardrail, naming what the event does not."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from service.domain import Artifact, ArtifactKind, Cause
from service.llm.draft import Draft, DraftArtifact
from service.llm.facts import MASK, Facts
from service.llm.prose import find_addresses, find_traps
from service.proof.checker import find_excess, prove_fix
from service.proof.claim import Denied
from service.rules.grant_trees import read_documents

_LONGEST = 8_000
_GUARDRAILS = frozenset({Cause.EXPLICIT_DENY, Cause.ORG_POLICY})
_GRANTING_KINDS = frozenset({"Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding"})
_ARN = re.compile(r"\barn:aws[\w-]*:[^\s\"',;)\]}]+")
_ADDRESS = re.compile(r"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?![\w.])")
_NAMES = (
    re.compile(r"(?<![\w.+-])[\w.+-]+@[\w-]+(?:\.[\w-]+)+"),
    re.compile(r"(?<![\w-])\d{12}(?![\w-])"),
    re.compile(r"(?<![\w-])[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}(?![\w-])", re.IGNORECASE),
    _ADDRESS,
)
_ARN_WORDS = re.compile(
    r"(aws[\w-]*|arn|accesspoint|alias|assumed-role|bucket|cluster|db|document|federated-user|foundation-model|function"
    r"|group|index|inference-profile|instance|instance-profile|key|key-pair|layer|log-group|log-stream|model|object|oidc-provider"
    r"|parameter|policy|queue|repository|role|root|rule|secret|security-group|service|snapshot|stack|subnet|table|task"
    r"|task-definition|topic|user|volume|vpc)\Z"
)
_MIXED = re.compile(r"[A-Za-z][\u0370-\u052f\uff00-\uff5e]|[\u0370-\u052f\uff00-\uff5e][A-Za-z]")
_GRANTEE = re.compile(r"\bGRANT\b[^;]*?\bTO\s+(?:ROLE\s+|USER\s+|GROUP\s+)?([\"`\[']?[\w$.@:%-]+)", re.IGNORECASE)
_POWERFUL = re.compile(
    r"(iam|sts|organizations|sso|account):|:(PutKeyPolicy|PutBucketPolicy|AddPermission|PassRole)\Z", re.IGNORECASE
)


def find_faults(artifact: DraftArtifact, draft: Draft, facts: Facts) -> Iterator[str]:
    """Every reason to refuse one artifact, in words that continue its title."""
    content = artifact.content
    if draft.cause in _GUARDRAILS:
        yield f"answers {draft.cause} with a change; a guardrail is its owner's to change, so artifacts must be empty"
    if not content.strip() or len(content) > _LONGEST:
        yield f"must hold 1 to {_LONGEST} characters"
        return
    if MASK.search(content):
        yield "holds a mask; write an UPPER_CASE placeholder for what is hidden"
    if _MIXED.search(content):
        yield "mixes letters of two alphabets in one word, which look alike; write a placeholder"
    for reason in (*find_excess(artifact.kind, content), *find_traps(content)):
        yield f"{reason}; give the narrowest change"
    yield from find_addresses(content, facts)
    known = _Known(facts, frozenset(facts.placeholders(artifact)))
    yield from _find_strangers(content, known)
    if draft.cause is not Cause.NETWORK_OR_IP_RESTRICTION:
        own = f"{facts.exact(draft.principal)} {facts.exact(draft.resource)}"
        for address in set(_ADDRESS.findall(content)) - set(_ADDRESS.findall(own)):
            yield f"opens something to {address}, but no address was refused"
    yield from _BY_KIND.get(artifact.kind, _accept)(content, draft, known)


def find_unproven(draft: Draft, facts: Facts) -> Iterator[tuple[str, str]]:
    """The title of each artifact that its checker refuses, and why: it misses the denied request, or reaches beyond."""
    proposed = tuple(
        Artifact(**one.model_dump(exclude={"placeholders"}), placeholders=facts.placeholders(one))
        for one in (draft.fix.artifacts if draft.fix else ())
    )
    denied = Denied(
        draft.cause,
        draft.system,
        facts.exact(draft.principal),
        facts.exact(draft.action),
        facts.exact(draft.resource),
        tuple(draft.missing_permissions),
        facts.text,
    )
    for artifact, proof in zip(proposed, prove_fix(proposed, denied), strict=True):
        yield from ((artifact.title, fault) for fault in proof.faults)


class _Known:
    def __init__(self, facts: Facts, placeholders: frozenset[str]) -> None:
        self.facts = facts
        self.placeholders = placeholders

    def __call__(self, name: str) -> bool:
        return name in self.placeholders or self.facts.knows(name)

    def part(self, name: str) -> bool:
        """A piece of a longer name: empty, a placeholder (alone or with more), or known."""
        return not name or any(p in name for p in self.placeholders) or self.facts.knows(name)


def _find_strangers(content: str, known: _Known) -> Iterator[str]:
    for arn in _ARN.findall(content):
        if not known(arn) and not _is_made_of_facts(arn, known):
            yield f"names {arn}, which the event does not; use the exact name or a placeholder"
    bare = _ARN.sub(" ", content)
    for pattern in _NAMES:
        for name in pattern.findall(bare):
            if not known.part(name):
                yield f"names {name}, which the event does not; use the exact name or a placeholder"


def _is_made_of_facts(arn: str, known: _Known) -> bool:
    _, partition, _service, *rest = arn.split(":")
    pieces = [piece for part in rest for piece in re.split(r"/", part)]
    return bool(partition) and all(_ARN_WORDS.match(piece) or known.part(piece) for piece in pieces)


def _check_sql(content: str, draft: Draft, known: _Known) -> Iterator[str]:
    for grantee in _GRANTEE.findall(content):
        name = grantee.strip("\"`'[]")
        denied = known.facts.exact(draft.principal)
        if not known(name):
            yield f"grants to {name}, which the event does not name; use the exact name or a placeholder"
        elif denied and name not in known.placeholders and name not in denied and denied not in name:
            yield f"grants to {name}, but {denied} was denied"


def _check_policy(content: str, draft: Draft, known: _Known) -> Iterator[str]:
    try:
        policy = json.loads(content)
    except (ValueError, RecursionError) as error:
        yield f"is not JSON ({error})"
        return
    for statement in _statements(policy):
        for action in _list(statement.get("Action")):
            if statement.get("Effect", "Allow") == "Allow" and not _was_denied(str(action), draft, known.facts):
                yield f"allows {action}, which was not denied"


def _was_denied(action: str, draft: Draft, facts: Facts) -> bool:
    """Whether the event names the action or its service; one that gives power over others must stand in a quote."""
    service, _, name = action.partition(":")
    if _POWERFUL.search(action):
        return any((name or action).casefold() in quote.quote.casefold() for quote in draft.evidence)
    is_of_service = facts.mentions(service) or service in (draft.system or "").split(".")
    return facts.mentions(name or action) or is_of_service


def _statements(policy: Any) -> Iterator[Mapping[str, Any]]:
    statements = _list(policy.get("Statement")) if isinstance(policy, Mapping) else []
    yield from (one for one in statements if isinstance(one, Mapping))


def _check_manifest(content: str, draft: Draft, known: _Known) -> Iterator[str]:
    try:
        documents = [one for one in read_documents(content) if isinstance(one, Mapping)]
    except ValueError as error:
        yield f"is not YAML ({error})"
        return
    for document in documents:
        kind = str(document.get("kind", ""))
        if draft.cause is Cause.ADMISSION_POLICY and (kind in _GRANTING_KINDS or "Policy" in kind or "Webhook" in kind):
            yield f"changes {kind} against an admission policy; change the rejected object instead"
        for subject in (one for one in _list(document.get("subjects")) if isinstance(one, Mapping)):
            if not known(str(subject.get("name", ""))):
                yield f"binds {subject.get('name')}, which the event does not name"
        for rule in (one for one in _list(document.get("rules")) if isinstance(one, Mapping)):
            for word in (*_list(rule.get("verbs")), *_list(rule.get("resources"))):
                parts = str(word).split("/")
                if kind in _GRANTING_KINDS and not all(
                    p in known.placeholders or known.facts.mentions(p) for p in parts
                ):
                    yield f"allows {word}, which was not denied"


def _check_guardrailed(_content: str, draft: Draft, _known: _Known) -> Iterator[str]:
    if draft.cause is Cause.ADMISSION_POLICY:
        yield "grants against an admission policy; change the rejected object instead"


def _accept(_content: str, _draft: Draft, _known: _Known) -> Iterator[str]:
    yield from ()


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


_BY_KIND = {
    ArtifactKind.SQL: _check_sql,
    ArtifactKind.JSON_POLICY: _check_policy,
    ArtifactKind.MANIFEST: _check_manifest,
    ArtifactKind.REDIS_ACL: _check_guardrailed,
}
