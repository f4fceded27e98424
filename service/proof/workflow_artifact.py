"""`permissions:` of a GitHub Actions workflow: the scopes that the job's token lacked, and no other.

Source: docs.github.com/en/actions/reference/workflows-and-actions/workflow-syntax#permissions. A block takes
every scope away that it does not list, so `contents: read`, which a checkout needs, stands beside the missing one.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from service.domain import Artifact
from service.proof.claim import Denied, InvalidArtifact, Proof, Unknown, judge
from service.proof.rbac_policy import read_documents

FAMILY = "workflow permissions"
_SCOPES = frozenset(
    "actions artifact-metadata attestations checks contents deployments discussions id-token issues models packages "
    "pages pull-requests repository-projects security-events statuses".split()
)
_LEVELS = ("none", "read", "write")
_ALWAYS = {"contents": "read"}


def is_workflow(content: str) -> bool:
    """Whether a YAML text is a permissions block."""
    return content.startswith("permissions:")


def prove_workflow(artifact: Artifact, denied: Denied) -> Proof:
    """Raises `InvalidArtifact` and `Unknown`."""
    (document, *others) = read_documents(artifact.content)
    held = document.get("permissions")
    if others or not isinstance(held, dict):
        raise InvalidArtifact("permissions takes scopes, each with a level")
    for scope, level in held.items():
        if scope not in list(_SCOPES) or level not in _LEVELS:
            raise InvalidArtifact(f"{scope}: {level} is no scope of the token with its level")
    wanted = dict(one.replace(" ", "").split(":", 1) for one in denied.missing if ":" in one)
    if not set(wanted) & _SCOPES:
        raise Unknown(f"which scope {', '.join(denied.missing) or 'the event'} means")
    return judge(FAMILY, short=_find_short(held, wanted), overgrants=tuple(_find_beside(held, wanted)))


def _find_short(held: Mapping[str, Any], wanted: Mapping[str, str]) -> str | None:
    for scope, level in wanted.items():
        if level in _LEVELS and _LEVELS.index(held.get(scope, "none")) < _LEVELS.index(level):
            return f"{scope}: {level} is missing"
    return None if set(wanted) & set(held) else f"it lists none of {', '.join(wanted) or 'the denied scopes'}"


def _find_beside(held: Mapping[str, Any], wanted: Mapping[str, str]) -> Iterator[str]:
    for scope, level in held.items():
        allowed = max(wanted.get(scope, "none"), _ALWAYS.get(scope, "none"), key=_rank)
        if _rank(level) > _rank(allowed):
            yield f"gives {scope}: {level} too, which was not denied"


def _rank(level: str) -> int:
    return _LEVELS.index(level) if level in _LEVELS else 0
