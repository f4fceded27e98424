"""Each language of artifacts: what grants, what misses, what reaches beyond, what nobody here can tell."""

import pytest

from service.domain import Artifact, ArtifactKind, Cause
from service.proof.checker import prove, prove_fix
from service.proof.claim import Denied, Outcome

SQL, SHELL, CONFIG, REDIS, YAML, JSON = (
    ArtifactKind.SQL,
    ArtifactKind.SHELL,
    ArtifactKind.CONFIG,
    ArtifactKind.REDIS_ACL,
    ArtifactKind.MANIFEST,
    ArtifactKind.JSON_POLICY,
)
HTTP = ArtifactKind.HTTP
GRANTS, MISSES, INVALID, ABSTAINS = "grants", "does not grant", "invalid", "abstains"


def denied(
    *missing: str, principal: str | None = None, action: str | None = None, resource: str | None = None
) -> Denied:
    return Denied(Cause.MISSING_GRANT, None, principal, action, resource, missing)


SELECT = denied("SELECT ON billing.invoices", principal="reports")
SALARY = denied("SELECT (salary) ON staff", principal="'hr'@'10.0.0.4'")
WRITE = denied("WRITE on Topic orders", principal="User:app")
QUEUE = denied("configure on queue mail in vhost /", principal="worker")
SECRET = denied(
    "secretmanager.versions.access", resource="projects/shop/secrets/db/versions/1", principal="ana@example.com"
)
PULL = denied(
    "AcrPull", resource="/subscriptions/s/resourceGroups/g/providers/Microsoft.ContainerRegistry/registries/r"
)
READ = denied("read on secret/data/shop")
BIND_DB = "gcloud secrets add-iam-policy-binding db --project=shop --member={} --role={}"
AZ = "az role assignment create --assignee-object-id OBJECT_ID --role {} --scope {}"
PRODUCE = "kafka-acls.sh --add --allow-principal User:app --operation Write --topic orders"
INVOKE = "aws lambda add-permission --function-name f --action lambda:InvokeFunction --principal sns.amazonaws.com"
CASES: list[tuple[ArtifactKind, str, Denied, str]] = [
    (SQL, "GRANT SELECT ON billing.invoices TO reports;", SELECT, GRANTS),
    (SQL, 'GRANT SELECT ON TABLE "billing"."invoices" TO "reports"', SELECT, GRANTS),
    (SQL, "USE billing; GRANT SELECT ON invoices TO [reports];", SELECT, GRANTS),
    (SQL, "GRANT SELECT ON billing.payments TO reports;", SELECT, MISSES),
    (SQL, "GRANT SELECT ON billing.invoices TO app;", SELECT, MISSES),
    (SQL, "GRANT INSERT ON billing.invoices TO reports;", SELECT, MISSES),
    (SQL, "GRANT SELECT ON billing.invoices TO PUBLIC;", SELECT, INVALID),
    (SQL, "GRANT SELECT ON billing.invoices TO reports WITH GRANT OPTION;", SELECT, INVALID),
    (SQL, "GRANT SELECT ON billing.invoices", SELECT, INVALID),
    (SQL, "GRANT SELECT, ON billing.invoices TO reports", SELECT, INVALID),
    (SQL, "DROP TABLE billing.invoices", SELECT, ABSTAINS),
    (SQL, "GRANT SELECT ON t TO r", denied("the right to see it"), ABSTAINS),
    (SQL, "GRANT SELECT (salary) ON hr.staff TO 'hr'@'10.0.0.4';", SALARY, GRANTS),
    (SQL, "GRANT archive TO app;", denied("MEMBER OF ROLE archive"), GRANTS),
    (SQL, "ALTER ROLE app CREATEDB;", denied("CREATEDB"), GRANTS),
    (SHELL, PRODUCE, WRITE, GRANTS),
    (SHELL, "kafka-acls.sh --add --allow-principal User:app --operation Read --topic orders", WRITE, MISSES),
    (SHELL, "kafka-acls.sh --add --allow-principal User:app --operation Write --topic pay", WRITE, MISSES),
    (SHELL, "kafka-acls.sh --add --allow-principal User:x --operation Write --topic orders", WRITE, MISSES),
    (SHELL, "kafka-acls.sh --add --allow-principal User:app --operation Write --topic $(cat t)", WRITE, ABSTAINS),
    (SHELL, "rabbitmqctl set_permissions -p / worker '^mail$' '' ''", QUEUE, GRANTS),
    (SHELL, "rabbitmqctl set_permissions -p / worker '' '^mail$' ''", QUEUE, MISSES),
    (SHELL, "rabbitmqctl set_permissions -p /b worker '^mail$' '' ''", QUEUE, MISSES),
    (SHELL, "etcdctl role grant-permission r read /a", denied("read on /a"), GRANTS),
    (SHELL, "etcdctl role grant-permission r write /a", denied("read on /a"), MISSES),
    (SHELL, "setfacl -m u:app:rw /srv/a", denied("write on /srv/a"), GRANTS),
    (SHELL, "setfacl -m u:app:r /srv/a", denied("write on /srv/a"), MISSES),
    (SHELL, "setfacl -m u:app:rw /srv/b", denied("write on /srv/a"), MISSES),
    (SHELL, "usermod -aG dialout ana", denied("group dialout"), GRANTS),
    (SHELL, "usermod -G dialout ana", denied("group dialout"), MISSES),
    (SHELL, "setcap cap_net_raw+ep /usr/bin/ping", denied("CAP_NET_RAW"), GRANTS),
    (SHELL, "setcap cap_net_raw+ep /usr/bin/ping", denied("CAP_SYS_TIME"), MISSES),
    (SHELL, "gh auth refresh -s read:org", denied("read:org"), GRANTS),
    (SHELL, INVOKE + " --source-arn arn:aws:sns:eu-west-1:111122223333:t", denied("lambda:InvokeFunction"), GRANTS),
    (SHELL, "yc resource-manager folder add-access-binding f1 --role a.user --subject S", denied("a.user"), GRANTS),
    (SHELL, "yc resource-manager folder add-access-binding f1 --role a.admin --subject S", denied("a.user"), MISSES),
    (SHELL, BIND_DB.format("user:ana@example.com", "roles/secretmanager.secretAccessor"), SECRET, GRANTS),
    (SHELL, BIND_DB.format("user:lena@example.com", "roles/secretmanager.secretAccessor"), SECRET, MISSES),
    (SHELL, BIND_DB.format("user:ana@example.com", "roles/pubsub.publisher"), SECRET, MISSES),
    (SHELL, BIND_DB.format("ana@example.com", "roles/secretmanager.secretAccessor"), SECRET, INVALID),
    (SHELL, BIND_DB.format("user:ana@example.com", "roles/zoo.keeper"), SECRET, ABSTAINS),
    (SHELL, AZ.format("AcrPull", PULL.resource), PULL, GRANTS),
    (SHELL, AZ.format("AcrPull", "/subscriptions/s/resourceGroups/other"), PULL, MISSES),
    (SHELL, AZ.format("AcrPull", "my-registry"), PULL, INVALID),
    (CONFIG, 'path "secret/data/shop" {\n  capabilities = ["read"] # one\n}', READ, GRANTS),
    (CONFIG, 'path "secret/data/pay" {\n  capabilities = ["read"]\n}', READ, MISSES),
    (CONFIG, 'path "secret/data/shop" {\n  capabilities = ["reed"]\n}', READ, INVALID),
    (CONFIG, 'path "secret/data/shop" {\n  capabilities = ["read"]\n', READ, INVALID),
    (CONFIG, 'path "secret/${team}" {\n  capabilities = ["read"]\n}', READ, ABSTAINS),
    (CONFIG, 'key "app" {\n  policy = "write"\n}', denied("key:write on app"), GRANTS),
    (REDIS, "ACL SETUSER app +config|get", denied("+config|get", principal="app"), GRANTS),
    (REDIS, "ACL SETUSER app +config|get", denied("+config|get", principal="web"), MISSES),
    (REDIS, "ACL SETUSER app ~orders:*", denied("~orders:*", resource="orders:7"), GRANTS),
    (REDIS, "ACL SETUSER app ~orders:*", denied("~orders:*", resource="pay:7"), MISSES),
    (REDIS, "ACL DELUSER app", denied("+get"), INVALID),
    (YAML, "permissions:\n  contents: read\n  issues: write\n", denied("issues:write"), GRANTS),
    (YAML, "permissions:\n  issues: read\n", denied("issues:write"), MISSES),
    (YAML, "permissions:\n  everything: write\n", denied("issues:write"), INVALID),
    (YAML, "permissions: write-all\n", denied("issues:write"), INVALID),
    (JSON, '{"Name": "r", "Actions": ["A/read"], "AssignableScopes": ["/s"]}', denied("A/read"), GRANTS),
    (CONFIG, "user web\ntopic read plant/7", denied("read plant/7", principal="web"), GRANTS),
    (CONFIG, "user web\ntopic write plant/7", denied("read plant/7", principal="web"), MISSES),
    (CONFIG, "user cart\ntopic read plant/7", denied("read plant/7", principal="web"), MISSES),
    (CONFIG, "user web\ntopic read plant/7", denied("reading the plant"), ABSTAINS),
    (CONFIG, 'permissions: {\n  publish: { allow: [ "a.b" ] }\n}', denied("publish a.b"), GRANTS),
    (CONFIG, 'permissions: {\n  publish: { allow: [ ">" ] }\n}', denied("publish a.b"), MISSES),
    (CONFIG, "p, ana, applications, sync, shop/web, allow", denied("applications, sync, shop/web"), GRANTS),
    (CONFIG, "p, ana, applications, delete, shop/web, allow", denied("applications, sync, shop/web"), MISSES),
    (CONFIG, "p, ana, /ledger, write", denied("p, ana, /ledger, write"), GRANTS),
    (CONFIG, "allow 198.51.100.4;", denied("allow 198.51.100.4 in the location"), GRANTS),
    (CONFIG, "allow 198.51.100.4;\nallow all;", denied("allow 198.51.100.4 in the location"), ABSTAINS),
    (CONFIG, "/srv/db/a rw,", denied("/srv/db/a rw"), GRANTS),
    (CONFIG, '[access_scopes]\nscopes = "EXISTING_SCOPES,read_orders"', denied("write_orders"), MISSES),
    (JSON, '{"grantRolesToUser": "app", "roles": [{"role": "read", "db": "a"}]}', denied("read@a"), GRANTS),
    (JSON, '{"grantRolesToUser": "app", "roles": [{"role": "root", "db": "a"}]}', denied("read@a"), MISSES),
    (HTTP, 'PUT /v2/api-keys/KEY\n\n{"apiKey": {"acls": ["api-key:model:x"]}}', denied("api-key:model:x"), GRANTS),
    (HTTP, 'PUT /v2/api-keys/KEY\n\n{"apiKey": {"acls": ["api-key:model:y"]}}', denied("api-key:model:x"), MISSES),
    (HTTP, 'PUT /v2/"key"\n\n{}', denied("api-key:model:x"), INVALID),
    (HTTP, "PUT /v2/key\nContent-Type: application/json\n\n{a: 1}", denied("api-key:model:x"), INVALID),
    (HTTP, 'POST /v2/members\n{"user": 1}', denied("Developer"), ABSTAINS),
    (JSON, '{"Name": "r", "Actions": ["B/read"], "AssignableScopes": ["/s"]}', denied("A/read"), MISSES),
]


@pytest.mark.parametrize(("kind", "content", "asked", "outcome"), CASES)
def test_a_change_grants_what_was_denied_or_not(kind: ArtifactKind, content: str, asked: Denied, outcome: str) -> None:
    proof = prove(Artifact(kind=kind, title="t", content=content, placeholders=("OBJECT_ID",), apply="a"), asked)
    assert proof.outcome == outcome, proof
    assert proof.overgrants == () or outcome != GRANTS


BESIDE: list[tuple[ArtifactKind, str, Denied, str]] = [
    (SQL, "GRANT SELECT, DELETE ON billing.invoices TO reports;", SELECT, "DELETE too"),
    (SQL, "GRANT SELECT ON billing.* TO reports;", SELECT, "every object"),
    (SQL, "GRANT SELECT ON billing.invoices TO reports, app;", SELECT, "2 grantees"),
    (SQL, "GRANT SELECT ON hr.staff TO 'hr'@'10.0.0.4';", SALARY, "only columns were denied"),
    (SHELL, PRODUCE + " --resource-pattern-type prefixed", WRITE, "by a prefix"),
    (SHELL, "rabbitmqctl set_permissions -p / worker '^mail$' '.*' ''", QUEUE, "write matches more than one"),
    (SHELL, "etcdctl role grant-permission --prefix=true r read /a", denied("read on /a"), "starts with /a"),
    (SHELL, "setfacl -R -m u:app:rw /srv/a", denied("write on /srv/a"), "whole tree"),
    (SHELL, "setfacl -m u:app:rw /srv/a", denied("read on /srv/a"), "writing too"),
    (SHELL, "usermod -aG dialout,docker ana", denied("group dialout"), "as good as root"),
    (SHELL, "setcap cap_net_raw,cap_sys_admin+ep /usr/bin/ping", denied("CAP_NET_RAW"), "CAP_SYS_ADMIN"),
    (SHELL, INVOKE, denied("lambda:InvokeFunction"), "any account"),
    (SHELL, "gh auth refresh -s read:org,repo", denied("read:org"), "repo too"),
    (SHELL, BIND_DB.format("user:ana@example.com", "roles/editor"), SECRET, "basic role"),
    (SHELL, AZ.format("AcrPull", "/subscriptions/s"), PULL, "reaches beyond"),
    (CONFIG, 'path "secret/data/shop" {\n  capabilities = ["read", "update"]\n}', READ, "update too"),
    (
        CONFIG,
        'path "secret/data/shop" { capabilities = ["read"] }\npath "sys/*" { capabilities = ["read"] }',
        READ,
        "sys",
    ),
    (REDIS, "ACL SETUSER app +config|get +@admin", denied("+config|get"), "abstains"),
    (REDIS, "ACL SETUSER app +config|get +flushall", denied("+config|get"), "+flushall too"),
    (YAML, "permissions:\n  contents: write\n  issues: write\n", denied("issues:write"), "contents: write too"),
    (
        HTTP,
        'PUT /a/api-keys/K\n\n{"apiKey": {"acls": ["api-key:a", "api-key:b"]}}',
        denied("api-key:a"),
        "api-key:b too",
    ),
    (JSON, '{"Actions": ["A/read", "A/write"], "AssignableScopes": ["/s"]}', denied("A/read"), "A/write too"),
]


@pytest.mark.parametrize(("kind", "content", "asked", "beside"), BESIDE)
def test_what_a_change_allows_beside_it_is_named(kind: ArtifactKind, content: str, asked: Denied, beside: str) -> None:
    proof = prove(Artifact(kind=kind, title="t", content=content, placeholders=("OBJECT_ID",), apply="a"), asked)
    assert beside in " ".join((*proof.overgrants, proof.outcome))


def sql(content: str) -> Artifact:
    return Artifact(kind=SQL, title="t", content=content, apply="a")


def test_the_first_artifact_answers_the_denial_and_a_later_one_may_go_with_it() -> None:
    grant, usage = sql("GRANT SELECT ON billing.invoices TO reports;"), sql("GRANT USAGE ON SCHEMA billing TO reports;")
    assert [one.outcome for one in prove_fix((grant, usage), SELECT)] == [Outcome.GRANTS, Outcome.COMPANION]
    assert [one.outcome for one in prove_fix((usage, grant), SELECT)] == [Outcome.DOES_NOT_GRANT, Outcome.GRANTS]
