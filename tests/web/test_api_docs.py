"""docs/api.md and docs/operations.md name exactly what there is: operations, problems, metrics, outcomes."""

import re
from pathlib import Path

import httpx
from service_site import Site

from service.metrics import Metrics

ROOT = Path(__file__).parents[2]
API = (ROOT / "docs" / "api.md").read_text()
OPERATIONS = (ROOT / "docs" / "operations.md").read_text()
CODE = "\n".join(path.read_text() for path in sorted((ROOT / "service" / "web").glob("*.py")))


def test_every_operation_is_listed_with_its_scope(api_site: Site) -> None:
    listed = set(re.findall(r"^\| `([A-Z]+) (/api/v1/\S+)` \| `\w+` \|", API, re.MULTILINE))
    document = httpx.get(f"{api_site.url}/openapi.json", trust_env=False, timeout=60).json()
    offered = {(method.upper(), path) for path, methods in document["paths"].items() for method in methods}
    assert listed == offered


def test_every_problem_is_listed() -> None:
    listed = set(
        re.findall(r"`([a-z]+(?:-[a-z]+)+|unauthenticated|unstorable|overloaded)`", API.split("## Problems")[1])
    )
    raised = set(re.findall(r'(?:ProblemError\(|Refused\(\s*"\w+", )\s*\d{3}, "([a-z-]+)"', CODE))
    raised |= set(re.findall(r'_later\("([a-z-]+)"', CODE))
    assert raised <= listed, raised - listed


def test_every_metric_is_listed_and_no_other() -> None:
    metrics = Metrics()
    metrics.count_failures_with(dict, dict)
    declared = {
        f"{family.name}_total" if family.type == "counter" else family.name for family in metrics.registry.collect()
    }
    listed = set(re.findall(r"^\| `(whydenied_\w+)` \|", OPERATIONS, re.MULTILINE))
    assert listed == {name for name in declared if name.startswith("whydenied_")}


def test_every_outcome_of_a_delivery_is_listed() -> None:
    outcomes = set(re.findall(r'Refused\(\s*"(\w+)", \d{3}', CODE)) | {
        "accepted",
        "empty",
        "greeting",
        "unparsed",
        "cut",
    }
    rows = OPERATIONS.split("| outcome |")[1].split("\n\n")[0]
    assert outcomes == set(re.findall(r"`([a-z_]+)`", "\n".join(re.findall(r"^\|([^|]+)\|", rows, re.MULTILINE))))
