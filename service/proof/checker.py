"""The one door to all checkers: which one reads an artifact, and what it says."""

from collections.abc import Callable
from dataclasses import replace

from service.domain import Answer, Artifact, ArtifactKind
from service.proof.claim import Denied, InvalidArtifact, Outcome, Proof, Unknown
from service.proof.cloud_binding import AZ, GCLOUD, prove_az, prove_custom_role, prove_gcloud
from service.proof.entry_artifact import family_of as entry_family_of
from service.proof.entry_artifact import prove_entry
from service.proof.http_artifact import prove_request
from service.proof.iam_artifact import prove_policy, prove_terraform
from service.proof.iam_policy import is_policy, write_json
from service.proof.path_policy import family_of, prove_path_policy
from service.proof.rbac_artifact import prove_rbac
from service.proof.rbac_policy import is_rbac
from service.proof.redis_artifact import prove_redis
from service.proof.shell_artifact import prove_command, reads
from service.proof.sql_artifact import prove_sql
from service.proof.terraform import is_terraform, read_terraform
from service.proof.workflow_artifact import is_workflow, prove_workflow
from service.rules.grants import find_overbroad

_Prover = Callable[[Artifact, Denied], Proof]
_LONGEST, _LONGEST_NAME = 20_000, 2_048
_ENTRIES = frozenset({ArtifactKind.CONFIG, ArtifactKind.MANIFEST, ArtifactKind.JSON_POLICY})


def prove_answer(answer: Answer, text: str = "") -> tuple[Proof, ...]:
    """A proof for each artifact of an answer. One after the first that grants something else is a companion.

    The first has to grant what was denied. A later one may be what the next attempt will need.
    """
    return prove_fix(answer.fix.artifacts if answer.fix else (), Denied.of(answer, text))


def prove_fix(artifacts: tuple[Artifact, ...], denied: Denied) -> tuple[Proof, ...]:
    """The same for artifacts that do not stand in an answer yet."""
    proofs = tuple(prove(artifact, _share_of(artifact, artifacts, denied)) for artifact in artifacts)
    return proofs[:1] + tuple(map(_as_companion, proofs[1:]))


def _share_of(artifact: Artifact, artifacts: tuple[Artifact, ...], denied: Denied) -> Denied:
    """What is left for one artifact where others name some of the missing permissions."""
    others = [one.content for one in artifacts if one is not artifact]
    mine = tuple(
        name
        for name in denied.missing
        if name in artifact.content or " " in name or not any(name in content for content in others)
    )
    return replace(denied, missing=mine, action=None) if mine and mine != denied.missing else denied


def _as_companion(proof: Proof) -> Proof:
    if proof.outcome is not Outcome.DOES_NOT_GRANT:
        return proof
    return replace(proof, outcome=Outcome.COMPANION, overgrants=())


def find_excess(kind: ArtifactKind, content: str) -> list[str]:
    """Reasons why an artifact grants more than any denial needs; a policy in Terraform is asked as its JSON form."""
    reasons = find_overbroad(kind, content)
    everywhere = "allows every resource"
    if everywhere in reasons and is_terraform(content):
        try:
            policy = write_json(read_terraform(content))
        except (InvalidArtifact, Unknown):
            return reasons
        if everywhere not in find_overbroad(ArtifactKind.JSON_POLICY, policy):
            reasons.remove(everywhere)
    return reasons


def prove(artifact: Artifact, denied: Denied) -> Proof:
    """Check one artifact against what was denied. Never raises, whatever the content says."""
    family, prover = _choose(artifact)
    if prover is None or len(artifact.content) > _LONGEST:
        return Proof(family, Outcome.ABSTAINS, "no checker reads this form")
    if any(
        len(name or "") > _LONGEST_NAME for name in (denied.principal, denied.action, denied.resource, *denied.missing)
    ):
        return Proof(family, Outcome.ABSTAINS, "names longer than any system has")
    try:
        return prover(artifact, denied)
    except Unknown as unknown:
        return Proof(family, Outcome.ABSTAINS, str(unknown))
    except InvalidArtifact as invalid:
        return Proof(family, Outcome.INVALID, str(invalid))


def _choose(artifact: Artifact) -> tuple[str, _Prover | None]:
    family, prover = _BY_KIND[artifact.kind](artifact.content.strip())
    if prover is None and artifact.kind in _ENTRIES and (entry := entry_family_of(artifact.content)):
        return entry, prove_entry
    return (family, prover) if prover else (f"other {artifact.kind}", None)


def _choose_json(content: str) -> tuple[str, _Prover | None]:
    if is_policy(content):
        return "iam policy", prove_policy
    return ("azure custom role", prove_custom_role) if '"AssignableScopes"' in content else ("", None)


def _choose_manifest(content: str) -> tuple[str, _Prover | None]:
    if is_rbac(content):
        return "kubernetes rbac", prove_rbac
    return ("workflow permissions", prove_workflow) if is_workflow(content) else ("", None)


def _choose_shell(content: str) -> tuple[str, _Prover | None]:
    if content.startswith(("gcloud ", "bq ")) and " add-iam-policy-binding " in content:
        return GCLOUD, prove_gcloud
    if content.startswith("az role assignment create "):
        return AZ, prove_az
    family = reads(content)
    return (family, prove_command) if family else ("", None)


def _choose_config(content: str) -> tuple[str, _Prover | None]:
    if is_terraform(content):
        return "terraform iam", prove_terraform
    family = family_of(content)
    return (family, prove_path_policy) if family else ("", None)


_BY_KIND: dict[ArtifactKind, Callable[[str], tuple[str, _Prover | None]]] = {
    ArtifactKind.JSON_POLICY: _choose_json,
    ArtifactKind.MANIFEST: _choose_manifest,
    ArtifactKind.SHELL: _choose_shell,
    ArtifactKind.CONFIG: _choose_config,
    ArtifactKind.SQL: lambda _content: ("sql grant", prove_sql),
    ArtifactKind.REDIS_ACL: lambda _content: ("redis acl", prove_redis),
    ArtifactKind.HTTP: lambda _content: ("http request", prove_request),
}
