"""The one linter of what a fix may never grant. Rules, reviews and the LLM stage all use it.

An artifact is over-broad when it grants more than any single denial can need: every action, every resource, an
administrator's role, everybody, or a protection switched off.
"""

import re

from service.domain import ArtifactKind

_EVERYWHERE: tuple[tuple[str, str], ...] = (
    (r"\bcluster-admin\b", "binds cluster-admin"),
    (r"\bAdministratorAccess\b|\bPowerUserAccess\b", "attaches an administrator's policy"),
    (r"roles/(owner|editor)\b", "grants a basic role on everything"),
    (r"\bchmod\s+(-\w+\s+)*0?777\b|\bchmod\s+(-\w+\s+)*a\+rwx\b", "opens a file to everybody"),
    (r"\bchmod\s+-R\s+\S+\s+/(etc|usr|var|bin|lib|home)?/?(\s|$)", "changes modes of a system tree"),
    (r"\bchown\s+-R\s+\S+\s+/(etc|usr|var|bin|lib|home)?/?(\s|$)", "changes owners of a system tree"),
    (r"\bsetenforce\s+0\b|SELINUX=(permissive|disabled)", "switches SELinux off"),
    (r"\baa-(disable|teardown)\b|\bapparmor=0\b", "switches AppArmor off"),
    (r"--privileged\b|\bprivileged:\s*true\b", "runs a container privileged"),
    (r"seccomp[=:]\s*unconfined", "switches seccomp off"),
    (
        r"\b(verify|sslmode|ssl_verify|tls_verify)\s*[=:]\s*(false|disable|no|off|0)\b|--insecure\b|InsecureSkipVerify:\s*true",
        "switches TLS verification off",
    ),
    (r"NOPASSWD:\s*ALL\b|ALL=\(ALL(:ALL)?\)\s*(NOPASSWD:\s*)?ALL\b", "gives every command to sudo"),
)
_BY_KIND: dict[ArtifactKind, tuple[tuple[str, str], ...]] = {
    ArtifactKind.SQL: (
        (r"\bALL\s+PRIVILEGES\b|\bGRANT\s+ALL\b", "grants all privileges"),
        (
            r"(?<!NO)SUPERUSER\b|\bGRANT\s+SUPER\b|\bsysadmin\b|\bBYPASSRLS\b|\bGRANT\s+DBA\b|\bdb_owner\b",
            "makes a superuser",
        ),
        (r"\bDISABLE\s+ROW\s+LEVEL\s+SECURITY\b", "switches row-level security off"),
        (r"\bTO\s+PUBLIC\b", "grants to everybody"),
        (r"\bON\s+\*\.\*", "grants on every database"),
        (r"\bWITH\s+(GRANT|ADMIN)\s+OPTION\b", "lets the grantee grant on"),
    ),
    ArtifactKind.JSON_POLICY: (
        (r'"(Not)?Action"\s*:\s*(\[\s*)?"(\*|[\w-]+:\*)"', "allows every action"),
        (r'"NotAction"\s*:', "allows every action but some"),
        (r'"Principal"\s*:\s*("\*"|\{\s*"AWS"\s*:\s*(\[\s*)?"\*")', "allows everybody"),
        (r'"Resource"\s*:\s*(\[\s*)?"(\*|arn:aws[\w-]*:\*:\*:\*:\*|arn:aws[\w-]*:s3:::\*)"', "allows every resource"),
        (r'"(allUsers|allAuthenticatedUsers)"', "allows everybody"),
    ),
    ArtifactKind.MANIFEST: (
        (r'(verbs|resources|apiGroups):\s*(\[\s*|\n\s*-\s*)[\'"]?\*', "grants a wildcard"),
        (r"permissions:\s*write-all\b", "grants every permission of the token"),
        (r"system:(authenticated|unauthenticated|anonymous)\b", "binds everybody"),
        (r"runAsUser:\s*0\b|runAsNonRoot:\s*false\b", "runs as root"),
    ),
    ArtifactKind.REDIS_ACL: (
        (r"\+@all\b|\ballcommands\b", "allows every command"),
        (r"(?<!\S)~\*(?!\S)|\ballkeys\b", "allows every key"),
        (r"(?<!\S)&\*(?!\S)|\ballchannels\b", "allows every channel"),
        (r"\bnopass\b", "lets anybody log in"),
    ),
    ArtifactKind.SHELL: (
        (r"\b(usermod|gpasswd)\b.*\b(sudo|wheel|root|docker)\b", "gives root by group"),
        (r"--(member|allow-principal)[= ]['\"]?(allUsers|allAuthenticatedUsers|User:\*)", "allows everybody"),
        (r"\bset_permissions\b[^\n]*(['\"]\.\*['\"]\s*){3}", "allows every resource"),
        (r"--role[= ]['\"]?(Owner|Contributor|User Access Administrator)\b", "assigns a broad role"),
        (r"--operation[= ]All\b", "allows every operation"),
    ),
}
# Actions for which the AWS service authorization reference lists no resource type accept "Resource": "*" only.
_RESOURCELESS = re.compile(
    r'"Action"\s*:\s*(\[\s*)?"(ecr:GetAuthorizationToken|ec2:Describe\w+|s3:ListAllMyBuckets|sts:DecodeAuthorizationMessage'
    r"|cloudwatch:(PutMetricData|GetMetricData|GetMetricStatistics|ListMetrics)|iam:(ListRoles|ListUsers|ListPolicies|GetAccountSummary)"
    r"|kms:(ListKeys|ListAliases|CreateKey|GenerateRandom)|organizations:List\w+|ce:\w+|pricing:\w+|tag:GetResources|sqs:ListQueues"
    r"|sns:ListTopics|lambda:ListFunctions|dynamodb:ListTables|secretsmanager:ListSecrets|ssm:DescribeParameters|logs:DescribeLogGroups"
    r'|rds:DescribeDB\w+|elasticloadbalancing:Describe\w+|autoscaling:Describe\w+|bedrock:List\w+|xray:Put\w+|eks:ListClusters|ecs:ListClusters|route53:ListHostedZones|aws-marketplace:\w+)"'
)


def find_overbroad(kind: ArtifactKind, content: str) -> list[str]:
    """Reasons why an artifact grants too much; empty where it is fine."""
    reasons = []
    for pattern, reason in (*_EVERYWHERE, *_BY_KIND.get(kind, ())):
        if re.search(pattern, content, re.IGNORECASE):
            reasons.append(reason)
    if "allows every resource" in reasons and kind is ArtifactKind.JSON_POLICY and _only_resourceless(content):
        reasons.remove("allows every resource")
    return reasons


def _only_resourceless(content: str) -> bool:
    return len(re.findall(r'"Action"\s*:', content)) == len(_RESOURCELESS.findall(content))
