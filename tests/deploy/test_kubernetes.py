"""deploy/kubernetes.yaml, as far as it can be proven without a cluster.

Every field is one that the API has, by the models of Kubernetes' own client; what is said in several places agrees; and
what the containers run is what docker-compose.yml runs, which test_compose.py starts as processes.
"""

import re
from pathlib import Path
from typing import Any

import kubernetes.client
import pytest
from ruamel.yaml import YAML

from service.settings import PREFIX, Settings

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "deploy" / "kubernetes.yaml").read_text()
OBJECTS: list[dict[str, Any]] = [one for one in YAML(typ="safe").load_all(TEXT) if one]
COMPOSE = YAML(typ="safe").load((ROOT / "docker-compose.yml").read_text())["services"]
GROUPS = {
    **dict.fromkeys(["Namespace", "ServiceAccount", "ConfigMap", "Service"], "v1"),
    "Deployment": "apps/v1",
    "Job": "batch/v1",
    "PodDisruptionBudget": "policy/v1",
    "NetworkPolicy": "networking.k8s.io/v1",
}
PLAIN = {"str": str, "int": int, "bool": bool}


def named(kind: str) -> dict[str, dict[str, Any]]:
    return {one["metadata"]["name"]: one for one in OBJECTS if one["kind"] == kind}


PODS = {
    name.removeprefix("whydenied-"): one["spec"]["template"]
    for kind in ("Job", "Deployment")
    for name, one in named(kind).items()
}
CONFIG: dict[str, str] = named("ConfigMap")["whydenied"]["data"]


def check(value: Any, type_: str, path: str) -> None:
    """Whether a value is of a type of the API: no unknown field, no missing one, the right kinds of value."""
    if listed := re.fullmatch(r"[Ll]ist\[(.+)\]", type_):
        assert isinstance(value, list), path
        for number, one in enumerate(value):
            check(one, listed[1], f"{path}[{number}]")
    elif mapped := re.fullmatch(r"[Dd]ict[(\[]str, (.+)[)\]]", type_):
        assert isinstance(value, dict), path
        for key, one in value.items():
            check(one, mapped[1], f"{path}.{key}")
    elif type_ in PLAIN:
        assert type(value) is PLAIN[type_], f"{path} is {value!r}, not {type_}"
    elif type_ != "object":
        check_model(value, getattr(kubernetes.client, type_), path)


def check_model(value: Any, model: Any, path: str) -> None:
    assert isinstance(value, dict), path
    fields = {model.attribute_map[name]: (name, type_) for name, type_ in model.openapi_types.items()}
    assert value.keys() <= fields.keys(), f"{path} has no {sorted(value.keys() - fields.keys())}"
    model(**{fields[key][0]: one for key, one in value.items()})  # raises where a field is missing or has no such value
    for key, one in value.items():
        check(one, fields[key][1], f"{path}.{key}")


@pytest.mark.parametrize("one", OBJECTS, ids=lambda one: f"{one['kind']} {one['metadata']['name']}")
def test_every_field_is_one_of_the_api(one: dict[str, Any]) -> None:
    check_model(one, getattr(kubernetes.client, f"V1{one['kind']}"), one["kind"])
    assert GROUPS[one["kind"]] == one["apiVersion"]
    assert one["kind"] == "Namespace" or one["metadata"]["namespace"] == "whydenied"


def test_the_check_of_fields_refuses_what_the_api_would() -> None:
    for wrong in (
        {"metadata": {}, "spec": {"replicas": 1, "template": {}}},
        {"spec": {"selector": {}, "template": {}, "replica": 1}},
        {"spec": {"selector": {}, "template": {}, "replicas": "2"}},
        {"spec": {"selector": {}, "template": {"spec": {"containers": [{"image": "x"}]}}}},
    ):
        with pytest.raises((AssertionError, ValueError)):
            check_model(wrong, kubernetes.client.V1Deployment, "")


@pytest.mark.parametrize("part", PODS)
def test_a_container_is_locked_down_and_bounded(part: str) -> None:
    pod = PODS[part]["spec"]
    uid = re.search(r"--uid (\d+)", (ROOT / "Dockerfile").read_text())
    assert uid
    assert (pod["securityContext"]["runAsUser"], pod["securityContext"]["runAsNonRoot"]) == (int(uid[1]), True)
    assert pod["automountServiceAccountToken"] is False
    [container] = pod["containers"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert {"requests", "limits"} <= container["resources"].keys()
    assert {mount["name"] for mount in container["volumeMounts"]} == {volume["name"] for volume in pod["volumes"]}


def environment(part: str) -> dict[str, str]:
    [container] = PODS[part]["spec"]["containers"]
    return {**CONFIG, **{one["name"]: one["value"] for one in container.get("env", [])}}


@pytest.mark.parametrize("part", PODS)
def test_a_container_runs_what_compose_runs(part: str) -> None:
    """How secrets come in differs by the orchestrator, and a cluster has a proxy; nothing else does."""
    [container] = PODS[part]["spec"]["containers"]
    assert container["command"] == COMPOSE[part]["command"]
    apart = {"DATABASE_URL", "DATABASE_URL_FILE", "PGPASSFILE", "LLM_API_KEY", "PUBLIC_URL", "TRUSTED_PROXIES"}

    def rest(given: dict[str, str]) -> dict[str, str]:
        return {
            name: value.replace("/run/secrets/whydenied/", "/run/secrets/")
            for name, value in given.items()
            if name.removeprefix(PREFIX) not in apart
        }

    assert rest(environment(part)) == rest(COMPOSE[part]["environment"])


@pytest.mark.parametrize("part", PODS)
def test_the_settings_of_a_container_are_settings(part: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "database_url").write_text("postgresql://db/why")
    for name in ("secret_key", "admin_api_key"):
        (tmp_path / name).write_text("x" * 32)
    known = {f"{PREFIX}{name}".upper() for name in Settings.model_fields}
    for name, value in environment(part).items():
        assert name in known or not name.startswith(PREFIX), name
        monkeypatch.setenv(name, value.replace("/run/secrets/whydenied", str(tmp_path)))
    assert Settings().database == "postgresql://db/why"
    assert Settings().worker == (part != "api")


def test_every_secret_that_is_read_is_one_that_the_head_of_the_file_makes() -> None:
    made = set(re.findall(r"--from-literal=(\w+)=", TEXT))
    read = {name for part in PODS for name in re.findall(r"/run/secrets/whydenied/(\w+)", str(environment(part)))}
    assert read == made
    assert "Secret" not in {one["kind"] for one in OBJECTS}


def test_services_budgets_and_policies_select_pods_that_there_are() -> None:
    labels = {part: pod["metadata"]["labels"] for part, pod in PODS.items()}

    def chosen(selector: dict[str, str]) -> set[str]:
        return {part for part, own in labels.items() if selector.items() <= own.items()}

    assert chosen(named("Service")["whydenied"]["spec"]["selector"]) == {"api"}
    for name, budget in named("PodDisruptionBudget").items():
        part = name.removeprefix("whydenied-")
        assert chosen(budget["spec"]["selector"]["matchLabels"]) == {part}
        assert named("Deployment")[name]["spec"]["replicas"] > budget["spec"]["minAvailable"]
    for name, deployment in named("Deployment").items():
        selected = chosen(deployment["spec"]["selector"]["matchLabels"])
        assert selected == {name.removeprefix("whydenied-")}
    policies = {name: chosen(one["spec"]["podSelector"]["matchLabels"]) for name, one in named("NetworkPolicy").items()}
    assert policies == {"whydenied": set(PODS), "whydenied-api": {"api"}, "whydenied-worker": {"worker"}}


@pytest.mark.parametrize("part", ["api", "worker"])
def test_probes_and_prometheus_ask_the_port_that_is_served(part: str) -> None:
    [container] = PODS[part]["spec"]["containers"]
    port = int(container["command"][-1])
    assert container["ports"] == [{"name": "http", "containerPort": port}]
    assert PODS[part]["metadata"]["annotations"]["prometheus.io/port"] == str(port)
    paths = {"startupProbe": "/healthz", "readinessProbe": "/readyz", "livenessProbe": "/healthz"}
    asked = {name: container[name]["httpGet"] for name in paths if name in container}
    assert asked == {name: {"path": paths[name], "port": "http"} for name in asked}
    assert asked.keys() == (paths.keys() if part == "api" else paths.keys() - {"readinessProbe"})
