"""`whydenied rules`, as a person who writes a rule uses it."""

from pathlib import Path

import pytest
from command import run_command

from service.rules.load import RuleError, parse_yaml, read_pack

DENIAL = '{"code":"permission-denied","error":"Access to the embed endpoint is denied."}'


def test_try_says_which_rule_wins() -> None:
    assert run_command("rules", "try", stdin=DENIAL).stdout.splitlines()[0].startswith("wins     xai.endpoint-acl")


def test_try_says_where_a_rule_stops() -> None:
    run = run_command("rules", "try", "--rule", "xai.endpoint-acl", stdin="Access to the embed endpoint was refused")
    assert "no       xai.endpoint-acl" in run.stdout
    assert "the pattern stops before" in run.stdout
    assert "embed endpoint |was refused" in run.stdout


def test_new_prints_a_stub_that_is_a_rule_but_for_its_references() -> None:
    stub = run_command("rules", "new", "ledger", stdin="vault 17 (main) denied to nina\n").stdout
    [rule] = parse_yaml(Path("ledger.yaml"), stub)["rules"]
    assert rule["patterns"] == [r"vault 17 \(main\) denied to nina"]
    assert rule["examples"][0]["text"] == "vault 17 (main) denied to nina"


def test_a_system_that_does_not_exist_is_said() -> None:
    run = run_command("rules", "check", "no-such-system")
    assert run.returncode == 2
    assert "no system and no rule is called 'no-such-system'" in run.stderr


@pytest.mark.parametrize(
    ("change", "finding"),
    [
        (("cause: missing_grant", "cause: rate_limit"), r"ledger\.yaml:6 ledger\.denied: .*cannot stand with verdict"),
        (("    title: t", "    tittle: t"), r"ledger\.yaml:6 ledger\.denied: rules\.0\.title: Field required"),
        (("    title: t", "    title: t\n    title: u"), r"ledger\.yaml:8: found duplicate key"),
        (("system: ledger", "system: other"), r"rule id ledger\.denied must start with other\."),
        (("id: ledger.denied", "id: Ledger"), r"rules\.0\.id"),
    ],
)
def test_a_wrong_file_is_named_with_line_rule_and_field(change: tuple[str, str], finding: str) -> None:
    good = """format: 1
system: ledger
owner: tests
rules:
  # the one rule
  - id: ledger.denied
    title: t
    verdict: permission
    cause: missing_grant
    confidence: likely
    patterns: ['denied']
    explanation: e
    fix: {summary: s}
    references: ['https://example.com']
    examples: [{text: denied, expect: {}}]
    counterexamples: [{text: fine, why: nothing}]
"""
    assert read_pack(Path("ledger.yaml"), good).rules[0].id == "ledger.denied"
    with pytest.raises(RuleError, match=finding):
        read_pack(Path("ledger.yaml"), good.replace(*change))
