"""Words that grant more than any one denial can need, in the languages that fixes are written in. One row, one reason.

RE2 syntax, searched without regard to case in the text as written, without comments, and without quotes.
"""

_STOP = r"[^\n;|&]"
_WRITES = r"0*o?[0-7]?[0-7][0-7][2367]\b"
_TRUE = r"[\"']?\s*(?:=>|[:= ])\s*[\"']?(?:true|yes|on|1|enabled)\b"
_FALSE = r"[\"']?\s*(?:=>|[:= ])\s*[\"']?(?:false|no|off|0|disabled?|none)\b"

FILES = (
    (rf"\bchmod\b(?:\s+-{{1,2}}[\w-]+)*\s+=?{_WRITES}", "opens a file to everybody"),
    (rf"\bchmod\b{_STOP}*?[\s,][ugo]*[oa][ugo]*[+=][rxXst]*w", "opens a file to everybody"),
    (r"\bchmod\b(?:\s+-{1,2}[\w-]+)*\s+0*[4-7][0-7]{3}\b", "lets everybody run a file as its owner"),
    (rf"\bchmod\b{_STOP}*?[\s,][go]*[ua][ugoa]*[+=][rwxX]*s", "lets everybody run a file as its owner"),
    (r"\bchmod\b(?:\s+-{1,2}[\w-]+)*\s+[\"']?\$", "hides the mode it sets"),
    (rf"\bchmod\s*\([^)\n]*[,\s]{_WRITES}", "opens a file to everybody"),
    (rf"\bmode[\"']?\s*[:=]\s*[\"']?{_WRITES}", "opens a file to everybody"),
    (rf"\b(?:install|mkdir)\b{_STOP}*?\s(?:-m|--mode)[=\s]*{_WRITES}", "opens a file to everybody"),
    (r"\bumask\s+0{1,4}(?:\s|$)", "opens every new file to everybody"),
    (rf"\bsetfacl\b{_STOP}*\b(?:o|other)::?[r-]*w", "opens a file to everybody"),
    (
        rf"\bch(?:mod|own|grp)\b{_STOP}*\s(?:-R|--recursive)\b{_STOP}*\s/(?:etc|usr|var|bin|lib|home|opt)?/?(?:\s|$)",
        "changes a system tree",
    ),
    (r"\bicacls\b[^\n]*(?:Everyone|\*S-1-1-0|Users)\s*:\s*\(?(?:\w*\)\(?)*F\b", "opens a file to everybody"),
    (r"\bdfs\.permissions(?:\.enabled)?" + _FALSE, "switches permissions off"),
)
HOST = (
    (r"\bsetenforce\s+(?:0+|permissive)\b|\bSELINUX\s*=\s*(?:permissive|disabled)\b", "switches SELinux off"),
    (r"\b(?:selinux|enforcing)=0\b|/selinux/enforce\b|\bsemanage\s+permissive\s+-a\b", "switches SELinux off"),
    (r"\bsecurity-opt[= ]+label[=:]disable\b", "switches SELinux off"),
    (r"\baa-(?:disable|teardown|complain)\b|\bapparmor=0\b|\bapparmor_parser\s+-R\b", "switches AppArmor off"),
    (
        r"\bapparmor[=:]\s*unconfined\b|\bseccomp\w*[=:\s{\"]*(?:type[\"']?:\s*)?[\"']?unconfined\b",
        "switches a confinement off",
    ),
    (
        r"\bsystemctl\s+(?:stop|disable|mask)\b[^\n;|&]*\b(?:apparmor|firewalld|ufw|nftables|auditd)\b"
        r"|\bufw\s+disable\b|\biptables\s+(?:-F|--flush)(?:\s|$)",
        "switches a protection of the host off",
    ),
    (
        r"\bcsrutil\s+disable\b|\bspctl\s+--master-disable\b|\bptrace_scope\s*=\s*0\b",
        "switches a protection of the host off",
    ),
    (r"\bExecutionPolicy\s+(?:-\w+\s+)*(?:Unrestricted|Bypass)\b", "lets every script run"),
    (r"\bALL\s*=\s*(?:\([^)\n]*\)\s*)?(?:\w+\s*:\s*)*ALL\b|\bNOPASSWD\s*:\s*ALL\b", "gives every command to sudo"),
    (
        rf"\b(?:usermod|gpasswd|adduser|addgroup|useradd)\b{_STOP}*[ \t,=]"
        r"(?:sudo|wheel|root|docker|lxd|disk|shadow)(?:[\s,]|$)",
        "gives root by group",
    ),
    (r"\bnet\s+localgroup\s+administrators\b", "makes an administrator"),
    (
        r"\bsetcap\s+(?:all|cap_(?:sys_admin|dac_override|dac_read_search|setuid|sys_ptrace|sys_module))\b",
        "gives a capability that amounts to root",
    ),
    (r"\bPermitRootLogin[\s=:]+yes\b", "lets root log in"),
)
CONTAINERS = (
    (r"--privileged\b(?:=true)?|\bprivileged" + _TRUE, "runs a container privileged"),
    (r"--cap-add[= ]+(?:CAP_)?(?:ALL|SYS_ADMIN|SYS_PTRACE|SYS_MODULE)\b", "adds a capability that amounts to root"),
    (
        r"\bhost(?:PID|IPC|Network)" + _TRUE + r"|--(?:pid|ipc|userns|network|net)[= ]host\b",
        "shares the host's namespace",
    ),
    (r"(?:-v|--volume|--mount)[= ]\S*?(?:docker\.sock|containerd\.sock)|(?:-v|--volume)[= ]/:", "mounts the host"),
    (r"\ballowPrivilegeEscalation" + _TRUE, "lets a container gain privileges"),
    (r"\bcluster-admin\b", "binds cluster-admin"),
    (r"--clusterrole[= ]+(?:cluster-)?admin\b", "binds an administrator's role"),
    (
        r"\bsystem:(?:authenticated|unauthenticated|anonymous|masters|serviceaccounts)\b",
        "binds everybody or the masters",
    ),
    (r"--(?:verb|resource)[= ]+\S*\*", "grants a wildcard"),
    (r"\badd-scc-to-(?:user|group)\s+privileged\b", "runs a container privileged"),
    (r"\bpod-security\.kubernetes\.io/enforce[\"']?\s*[:=]\s*[\"']?privileged\b", "switches pod security off"),
    (
        r"\bdelete\s+(?:validating|mutating)webhookconfigurations?\b|\bfailurePolicy[\"']?\s*:\s*[\"']?Ignore\b",
        "switches an admission control off",
    ),
    (r"\bauthorization-mode=\S*AlwaysAllow\b|\banonymous-auth" + _TRUE, "switches authorization off"),
    (r"\bpermissions[\"']?\s*:\s*[\"']?write-all\b", "grants every permission of the token"),
)
TRANSPORT = (
    (
        r"\b(?:ssl_?|tls_?|http\.ssl)?verif(?:y|ication)(?:_?(?:ssl|tls|certs?|peer))?"
        + _FALSE
        + r"|\bsslmode\s*[:=]\s*[\"']?(?:disable|allow|prefer)\b|\bssl(?:_?cert)?_?verify(?:_?mode)?"
        + _FALSE,
        "switches TLS verification off",
    ),
    (
        r"\binsecure[-_]?skip[-_]?(?:tls[-_]?)?verify\b(?:\s*[:=]\s*(?:true|yes|1)|\s|$)",
        "switches TLS verification off",
    ),
    (
        r"--(?:proxy-)?insecure\b|--trusted-host\b|\bstrict-ssl"
        + _FALSE
        + r"|--no-check-certificate\b|\btls_?skip_?verify"
        + _TRUE,
        "switches TLS verification off",
    ),
    (r"\bcurl\b[^\n|;]*\s-(?-i:[a-zA-Z]{0,6}k[a-zA-Z]{0,4})(?:\s|$)", "switches TLS verification off"),
    (
        r"ssl_?no_?verify" + _TRUE + r"|\b(?:NODE_TLS_REJECT_UNAUTHORIZED|PYTHONHTTPSVERIFY)\s*=\s*[\"']?0",
        "switches TLS verification off",
    ),
    (
        r"\brejectUnauthorized" + _FALSE + r"|\bCERT_NONE\b|\b_create_unverified_context\b",
        "switches TLS verification off",
    ),
    (
        r"\bTrustServerCertificate" + _TRUE + r"|\bStrictHostKeyChecking[\s=]+no\b",
        "switches the check of the server off",
    ),
    (r"(?:^|[^\d.])0\.0\.0\.0/[0-3]\b|(?:^|[^\w:])::0?/[0-3]\b|\b255\.255\.255\.255\b", "opens it to every address"),
)
SQL = (
    (r"\bGRANT\s+(?:[\w\s,()]*,\s*)?ALL\b(?:\s+PRIVILEGES)?(?:\s*\([^)]*\))?\s+(?:ON|TO)\b", "grants all privileges"),
    (r"\bGRANT\b[^;]*\bALL\s+PRIVILEGES\b", "grants all privileges"),
    (
        r"\b(?:ALTER|CREATE)\s+(?:ROLE|USER)\b[^;]*\b(?:SUPERUSER|BYPASSRLS)\b|\brolsuper\b|\bsuper_priv\b",
        "makes a superuser",
    ),
    (
        r"\bGRANT\s+(?:ROLE\s+)?(?:SUPER|DBA|SYSDBA|SYSOPER|CONTROL\s+SERVER|SYSTEM\s+ON|pg_write_all_data|pg_read_all_data"
        r"|pg_execute_server_program|\w*superuser|azure_pg_admin|postgres"
        r"|ACCOUNTADMIN|SECURITYADMIN|SYSADMIN|ORGADMIN)\b",
        "makes a superuser",
    ),
    (r"\bGRANT\s+CONTROL\s+ON\s+(?:DATABASE|SERVER)\b", "makes a superuser"),
    (r"\b(?:sysadmin|securityadmin|db_owner|db_securityadmin)\b[^;]*\bADD\s+MEMBER\b", "makes a superuser"),
    (r"\bsp_add(?:srv)?rolemember\b[^;]*\b(?:sysadmin|securityadmin|db_owner)\b", "makes a superuser"),
    (r"\bcreateuser\b[^\n]*(?:--superuser\b|\s-s\b)", "makes a superuser"),
    (r"\bGRANT\s+[\w\s,]*\bANY\s+(?:TABLE|PROCEDURE|ROLE|PRIVILEGE|DICTIONARY)\b", "grants on every schema"),
    (
        r"\bROW\s+LEVEL\s+SECURITY\b[^;]*\bOFF\b|\b(?:DISABLE|NO\s+FORCE)\s+ROW\s+LEVEL\s+SECURITY\b",
        "switches row-level security off",
    ),
    (r"\brow_security\s*(?:=|\bTO\b)\s*off\b", "switches row-level security off"),
    (r"\bCREATE\s+POLICY\b[^;]*\b(?:USING|CHECK)\s*\(\s*TRUE\s*\)", "lets everybody see every row"),
    (r"\bGRANT\b[^;]*\bTO\s+(?:[\w$@.%]+\s*,\s*)*(?:ROLE\s+|GROUP\s+)?PUBLIC\b", "grants to everybody"),
    (r"\bGRANT\b[^;]*\bON\s+(?:TABLE\s+|DATABASE\s+)?\*(?:\.\*)?(?:\s|$)", "grants on every database"),
    (
        r"\bGRANT\b[^;]*\bON\s+(?:ALL|FUTURE)\s+(?:TABLES|SEQUENCES|FUNCTIONS|PROCEDURES|ROUTINES|SCHEMAS|VIEWS)\s+IN\b",
        "grants on everything in it",
    ),
    (r"\bWITH\s+(?:GRANT|ADMIN)\s+OPTION\b", "lets the grantee grant on"),
    (r"\bskip[_-]grant[_-]tables\b", "switches authorization off"),
)
# Privileges of MySQL and MariaDB that exist for the whole server only, so that ON *.* is their narrowest grant.
# Left out are those that let their holder become another account or read any file: SUPER, CREATE USER, FILE, SET USER.
_SERVER_WIDE = (
    r"(?:PROCESS|RELOAD|SHUTDOWN|SHOW DATABASES|(?:CREATE|DROP) ROLE|CREATE TABLESPACE|(?:CLONE|BACKUP)_ADMIN"
    r"|REPLICATION (?:CLIENT|SLAVE|REPLICA)(?: ADMIN)?|REPLICATION MASTER ADMIN|REPLICATION_(?:SLAVE_ADMIN|APPLIER)"
    r"|(?:SLAVE|REPLICA) MONITOR|GROUP_REPLICATION_ADMIN|BINLOG[ _]ADMIN|BINLOG (?:MONITOR|REPLAY)|CONNECTION[ _]ADMIN"
    r"|READ_ONLY ADMIN|FEDERATED ADMIN|(?:SYSTEM|SESSION|PERSIST_RO)_VARIABLES_ADMIN|SENSITIVE_VARIABLES_OBSERVER"
    r"|XA_RECOVER_ADMIN|RESOURCE_GROUP_(?:ADMIN|USER)|INNODB_REDO_LOG_(?:ENABLE|ARCHIVE)|OPTIMIZE_LOCAL_TABLE|SHOW_ROUTINE"
    r"|FLUSH_(?:OPTIMIZER_COSTS|PRIVILEGES|STATUS|TABLES|USER_RESOURCES)|(?:TABLE_ENCRYPTION|ENCRYPTION_KEY)_ADMIN"
    r"|AUDIT_ADMIN|AUDIT_ABORT_EXEMPT|APPLICATION_PASSWORD_ADMIN|TRANSACTION_GTID_TAG|TELEMETRY_LOG_ADMIN)"
)
NARROWEST_GLOBAL = rf"\bGRANT\s+{_SERVER_WIDE}(?:\s*,\s*{_SERVER_WIDE})*\s+ON\s+\*\.\*\s+TO\b"
CLOUD = (
    (
        r"\b(?:AdministratorAccess|PowerUserAccess)\b|\bpolicy/(?:[\w-]+/)*\w+FullAccess\b",
        "attaches an administrator's policy",
    ),
    (r"\badd-user-to-group\b[^\n]*\bAdmin\w*", "makes an administrator"),
    (r"\bacl[\"']?[\s:=]+[\"']?(?:public-read|authenticated-read)", "allows everybody"),
    (r"\bdelete-public-access-block\b|\b(?:block|ignore|restrict)_?public_?\w*" + _FALSE, "lets everybody in"),
    (r"\bblob-public-access" + _TRUE + r"|\ballowBlobPublicAccess" + _TRUE, "lets everybody in"),
    (
        r"\bdelete-(?:role|user)-permissions-boundary\b|\borganizations\s+(?:detach|delete)-policy\b",
        "takes a guardrail away",
    ),
    (r"--principal[= ]+[\"']?\*", "allows everybody"),
    (r"\broles/(?:owner|editor)\b", "grants a basic role on everything"),
    (r"\broles/(?:resourcemanager\.\w*(?:organizationAdmin|IamAdmin)|iam\.securityAdmin)\b", "makes an administrator"),
    (r"\ball(?:Authenticated)?Users\b", "allows everybody"),
    (r"\biam\s+ch\s[^\n]*:(?:admin|legacyBucketOwner)\b", "makes an administrator"),
    (r"\bmember[\"']?s?[\s:=\[]+[\"']?domain:", "allows a whole domain"),
    (r"--role[= ]+[\"']?(?:Owner|Contributor|User Access Administrator)[\"']?(?:\s|$)", "assigns a broad role"),
    (
        r"\brole_?Definition_?Name[\"']?[\s:=]+[\"']?(?:Owner|Contributor|User Access Administrator)[\"']?(?:\s|$)",
        "assigns a broad role",
    ),
    (
        r"\b(?:8e3af657-a8ff-443c-a75c-2fe8c4bcb635|b24988ac-6180-42a0-ab88-20f7382dd24c|18d7d88d-d35e-4fb5-a5c3-7773c20a72d9)\b",
        "assigns a broad role",
    ),
)
SERVICES = (
    (r"--operation[= ]+All\b", "allows every operation"),
    (r"\bUser:\*|\bsuper\.users\s*=|\ballow\.everyone\.if\.no\.acl\.found" + _TRUE, "allows everybody"),
    (r"--(?:topic|group|transactional-id)[= ]+[\"']?\*", "allows every resource"),
    (r"\bset_permissions\b[^\n]*(?:[\"']?\.\*[\"']?\s*){3}", "allows every resource"),
    (r"\bset_user_tags\b[^\n]*\badministrator\b|\btoken\s+create\b[^\n]*-policy[= ]root\b", "makes an administrator"),
    (
        r"\bSETUSER\b[^\n]*\s(?:\+@(?:all|admin|dangerous)|allcommands|allkeys|allchannels|nopass|(?:%\w+)?~\*|&\*)(?:\s|$)",
        "allows every command, key or channel, or no password",
    ),
    (
        r"(?:^|\n)\s*user\s[^\n]*\s(?:\+@all|~\*|&\*|nopass)(?:\s|$)",
        "allows every command, key or channel, or no password",
    ),
    (r"\bpath\s+[\"']?[+/*]*\*[\"']?\s*\{|\bcapabilities\b[^\]\n]*\bsudo\b", "allows every path"),
    (
        r"\b(?:acl|operator)\s*=\s*[\"']?write\b|\b\w+_prefix\s+(?:[\"']{2})?\s*\{\s*policy\s*=\s*[\"']?write",
        "grants on everything",
    ),
    (
        r"\bpublish[\"']?\s*[:=]\s*(?:\{\s*allow\s*:\s*)?\[?\s*[\"']?>|\btopic\s+(?:readwrite|write|read)\s+#",
        "allows every subject",
    ),
    (r"\ballow_anonymous" + _TRUE + r"|\[auth\.anonymous\]\s*enabled\s*=\s*true", "lets everybody in"),
    (r"(?:^|\n)\s*(?:host\w*|local)\s+\S+\s+\S+(?:\s+\S+)?\s+trust\b", "lets anybody log in"),
    (r"\bauthorization[\"']?\s*:\s*[\"']?disabled\b|\bxpack\.security\.enabled" + _FALSE, "switches authorization off"),
    (r"\bif\s+true\s*;|\{document=\*\*\}\s*\{\s*allow\b|\bdefault\s+allow\s*:?=\s*true\b", "allows everybody"),
    (r"(?:^|\n)\s*p\s*,[^\n]*,\s*\*\s*,\s*\*|(?:^|\n)\s*g\s*,[^\n]*role:admin\b", "grants a wildcard"),
    (r"\bAccess-Control-Allow-Origin[\"']?[\s:,]+[\"']?\*", "allows every origin"),
    (r"(?:^|[\s;{])allow\s+all\s*;|\bRequire\s+all\s+granted\b|\bpermitAll\s*\(\s*\)", "lets everybody in"),
    (r"\brole[\"']?\s*:\s*[\"']?(?:root|dbOwner|__system|\w+AnyDatabase)\b", "assigns an administrator's role"),
    (r"\bdefault_repository_permission\b[\"'\s:=]+admin\b", "makes everybody an administrator"),
)
WRITTEN_OUT = (
    (r"\b(?:Not)?Actions?[\"']?\s*(?:=>|[:=])\s*\[?[^\]{}]*?[\"'][\w:./-]*\*", "allows a wildcard of actions"),
    (r"\bNot(?:Action|Resource|Principal)s?[\"']?\s*(?:=>|[:=])", "allows everything but some"),
    (
        r"\b(?:Resources?|identifiers)[\"']?\s*(?:=>|[:=])\s*\[?[^\]{}]*?[\"'](?:\*|arn:aws[\w-]*:s3:::\*)[\"']",
        "allows every resource",
    ),
    (r"\bPrincipals?[\"']?\s*(?:=>|[:=])\s*(?:\{\s*[\"']?AWS[\"']?\s*[:=]\s*)?\[?\s*[\"']\*", "allows everybody"),
    (
        r"\b(?:verbs|resources|apiGroups)[\"']?\s*:\s*(?:\[[^\]]*|(?:\n\s*-\s*\S+)*\n\s*-\s*)[\"']?\*",
        "grants a wildcard",
    ),
)
"""For what cannot be parsed; `grant_trees` reads the rest."""

EVERYWHERE = (*FILES, *HOST, *CONTAINERS, *TRANSPORT, *SQL, *CLOUD, *SERVICES)
IN_ACL = (
    (r"(?:^|\s)(?:\+@(?:all|admin|dangerous)|allcommands)(?:\s|$)", "allows every command"),
    (r"(?:^|\s)(?:(?:%\w+)?~\*|allkeys)(?:\s|$)", "allows every key"),
    (r"(?:^|\s)(?:&\*|allchannels)(?:\s|$)", "allows every channel"),
    (r"(?:^|\s)nopass(?:\s|$)", "lets anybody log in"),
)
"""Tokens that mean this in a Redis ACL only."""
