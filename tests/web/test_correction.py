"""A correction form is read back into a valid answer, or into errors that stand at their fields."""

import pytest

from service.domain import Answer, ByReviewer, Evidence
from service.web.correction import InvalidCorrection, artifact_count, form_of, read_form

TEXT = "ERROR:  permission denied for table orders\nSTATEMENT: SELECT * FROM orders -- role app_rw"
ORIGINAL = Answer.model_validate(
    {
        "id": "an1",
        "verdict": "permission",
        "cause": "missing_grant",
        "system": "postgres",
        "title": "Role may not read table orders",
        "explanation": "The role lacks SELECT.",
        "principal": None,
        "action": "SELECT",
        "resource": "orders",
        "missing_permissions": ["SELECT"],
        "confidence": "confirmed",
        "evidence": [
            {"quote": "orders", "start": TEXT.index("orders"), "end": TEXT.index("orders") + 6, "field": "resource"},
        ],
        "fix": {
            "summary": "Grant SELECT on orders.",
            "steps": ["Run the statement."],
            "risk": "The role reads orders.",
            "undo": "Revoke it.",
            "artifacts": [
                {
                    "kind": "sql",
                    "title": "Grant",
                    "content": "GRANT SELECT ON orders TO ROLE_NAME;",
                    "placeholders": ["ROLE_NAME"],
                    "apply": "psql, by the owner",
                }
            ],
        },
        "verify": {"command": "psql -c 'SELECT 1'", "expect": "1"},
        "references": ["https://www.postgresql.org/docs/current/sql-grant.html"],
        "produced_by": {"kind": "rule", "rule": "postgres.table", "version": "abc"},
    }
)


def read(**changes: str) -> Answer:
    return read_form(form_of(ORIGINAL) | changes, ORIGINAL, text=TEXT, reviewer="ana@example.com", analysis_id="an1")


def errors_of(**changes: str) -> dict[str, str]:
    with pytest.raises(InvalidCorrection) as caught:
        read(**changes)
    return caught.value.errors


def test_an_untouched_form_gives_the_same_claims_by_the_reviewer() -> None:
    assert read() == ORIGINAL.model_copy(update={"produced_by": ByReviewer(reviewer="ana@example.com", corrects="an1")})


def test_a_changed_name_is_quoted_from_the_text() -> None:
    start = TEXT.index("app_rw")
    assert Evidence(quote="app_rw", start=start, end=start + 6, field="principal") in read(principal="app_rw").evidence


def test_a_name_the_text_lacks_has_no_quote() -> None:
    corrected = read(resource="public.orders")
    assert [span.field for span in corrected.evidence] == []


def test_line_ends_of_browsers_do_not_change_the_text() -> None:
    fix = read(fix_steps="One.\r\n\r\nTwo.\r\n").fix
    assert fix
    assert fix.steps == ("One.", "Two.")


def test_an_invisible_character_that_was_left_alone_stays_exact() -> None:
    original = ORIGINAL.model_copy(update={"resource": "ord\u202eers"})
    form = form_of(original)
    assert form["resource"] == "ord⟨U+202E⟩ers"
    assert read_form(form, original, text=TEXT, reviewer="a", analysis_id="b").resource == "ord\u202eers"


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"title": " "}, "title"),
        ({"title": "x" * 301}, "title"),
        ({"explanation": ""}, "explanation"),
        ({"verdict": "nonsense"}, "verdict"),
        ({"cause": "rate_limit"}, "cause"),
        ({"confidence": "unknown"}, "confidence"),
        ({"verdict": "authentication", "cause": "authentication"}, "artifacts"),
        ({"fix_summary": ""}, "fix_summary"),
        ({"verify_expect": ""}, "verify_expect"),
        ({"references": "javascript:alert(1)"}, "references"),
        ({"artifact-0-kind": "perl"}, "artifact-0-kind"),
        ({"artifact-0-content": ""}, "artifact-0-content"),
        ({"artifact-0-content": "GRANT ALL ON SCHEMA_NAME.orders TO billing_app;"}, "artifact-0-content"),
        ({"artifact-0-placeholders": "NOT_THERE"}, "artifact-0-placeholders"),
        ({"artifact-1-title": "Half"}, "artifact-1-content"),
    ],
)
def test_an_error_stands_at_its_field(changes: dict[str, str], field: str) -> None:
    assert field in errors_of(**changes)


def test_all_errors_are_told_at_once() -> None:
    assert {"title", "cause", "references"} <= errors_of(title="", cause="network", references="ftp://x").keys()


def test_the_form_offers_one_empty_artifact() -> None:
    assert artifact_count(form_of(ORIGINAL)) == 2
    assert artifact_count({}) == 1


def test_an_emptied_fix_and_check_are_left_out() -> None:
    blank = dict.fromkeys([n for n in form_of(ORIGINAL) if n.startswith(("fix_", "verify_", "artifact-"))], "")
    corrected = read(**blank)
    assert corrected.fix is None
    assert corrected.verify is None


SHOP = 'Error: User "ana" cannot list resource "pods" in API group "" in the namespace "shop"'


def role_for(verbs: str) -> str:
    return f"""apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {{name: ana, namespace: shop}}
rules:
- {{apiGroups: [""], resources: [pods], verbs: [{verbs}]}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {{name: ana, namespace: shop}}
subjects:
- {{kind: User, name: ana}}
roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: Role, name: ana}}
"""


@pytest.mark.parametrize(
    ("verbs", "problem"),
    [("list", None), ("get", "does not grant what was denied"), ("list, delete", "allows delete pods too")],
)
def test_a_change_is_proven_before_it_is_kept(verbs: str, problem: str | None) -> None:
    changes = {"artifact-0-kind": "manifest", "artifact-0-title": "Role", "artifact-0-apply": "by the cluster's admin"}
    changes |= {"artifact-0-content": role_for(verbs), "artifact-0-placeholders": "", "fix_summary": "Bind a role."}
    changes |= {"principal": "ana", "resource": "pods", "missing_permissions": "list pods"}
    form = form_of(ORIGINAL) | changes
    if problem is None:
        assert read_form(form, ORIGINAL, text=SHOP, reviewer="a", analysis_id="b").fix
        return
    with pytest.raises(InvalidCorrection) as caught:
        read_form(form, ORIGINAL, text=SHOP, reviewer="a", analysis_id="b")
    assert problem in caught.value.errors["artifact-0-content"]
