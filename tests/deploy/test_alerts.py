"""deploy/alerts.yaml: Prometheus takes it, its alerts fire when they should, and they name what there is."""

import re
import subprocess
from pathlib import Path

import pytest
from private_server import find_program
from ruamel.yaml import YAML

from service.metrics import Metrics

ROOT = Path(__file__).resolve().parents[2]
ALERTS = ROOT / "deploy" / "alerts.yaml"
RULES = [rule for group in YAML(typ="safe").load(ALERTS.read_text())["groups"] for rule in group["rules"]]
OPERATIONS = (ROOT / "docs" / "operations.md").read_text()


@pytest.fixture
def prometheus() -> str:
    """The tool that comes with Prometheus."""
    return find_program("promtool")


@pytest.mark.parametrize("arguments", [["check", "rules", "alerts.yaml"], ["test", "rules", "alerts.test.yaml"]])
def test_prometheus_takes_the_rules_and_they_fire_when_they_should(prometheus: str, arguments: list[str]) -> None:
    done = subprocess.run(
        [prometheus, *arguments], cwd=ALERTS.parent, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "SUCCESS" in done.stdout


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_an_alert_reads_metrics_and_outcomes_that_there_are(rule: dict[str, str]) -> None:
    metrics = Metrics()
    metrics.count_failures_with(dict, dict)
    known = {sample.name for family in metrics.registry.collect() for sample in family.samples} | {
        name
        for family in metrics.registry.collect()
        for name in (family.name, f"{family.name}_total", f"{family.name}_bucket")
    }
    assert set(re.findall(r"whydenied_\w+", rule["expr"])) <= known
    for words in re.findall(r'(?:outcome|state)!?=~?"([^"]+)"', rule["expr"]):
        for word in words.split("|"):
            assert f"`{word}`" in OPERATIONS or f" {word}`" in OPERATIONS, word
    assert f"`{rule['alert']}`" in OPERATIONS
