"""What a model may not advise in words, and what a check of a fix may not do."""

import re
from collections.abc import Iterator
from urllib.parse import urlsplit

from service.domain import ArtifactKind
from service.llm.facts import MASK, Facts
from service.rules.grants import find_overbroad

_SENTENCE = re.compile(r"(?<=[.;!?])\s+|\n+")
_WARNING = re.compile(
    r"""\b(
        (do\ not|don't|never|not|no\ need\ to|nor)\s+(grant|giv|bind|us|attach|add|mak|set|run|open|disabl|switch|turn
            |allow|assign|need|requir|widen|fall|resort|put|creat)\w*
        | avoid | instead\ of | rather\ than | without
    )(\s+["'`]?[\w*/.-]+(:[\w*/.-]+)*["'`]?){0,5}""",
    re.IGNORECASE | re.VERBOSE,
)
_RISK = re.compile(
    r"\b(would|is|are)\s+(also\s+|far\s+)?(too|hand|expos|bypass|unsafe|dangerous|more\s+than|not\s+needed|unnecessary)",
    re.IGNORECASE,
)
_AGENT = re.compile(
    r"\b(by|as|ask|from|have)\s+(an?\s+|the\s+|your\s+|any\s+)?([\w-]+\s+)?(cluster-admin|superuser|sysadmin|root)\b",
    re.IGNORECASE,
)
_ADVICE = re.compile(
    r"\b(grant|giv|bind|attach|assign|add|mak|becom|us|set|run|chmod|switch|turn|disabl|allow|promot|need|requir)\w*\b",
    re.IGNORECASE,
)
_BROAD_WORDS = (
    (r"\bALL\s+PRIVILEGES\b|\bGRANT\s+ALL\b", "grants all privileges"),
    (r"\bsuperuser\b|\bsysadmin\b|\bBYPASSRLS\b", "makes a superuser"),
    (r"\bDISABLE\s+ROW\s+LEVEL\s+SECURITY\b", "switches row-level security off"),
    (r"(?<![\w/])[\w-]+:\*(?![\w/])", "grants a wildcard"),
)
_URL = re.compile(r"\bhttps?://[^\s\"'<>)\]}`]+", re.IGNORECASE)
_NO_SCHEME = re.compile(r"(?<![:\w/])//([\w-]+(?:\.[\w-]+)+)")
_MARKUP = re.compile(
    r"<\s*/?(script|img|iframe|svg|style|link|object|embed|form|input|meta|base|a|video|audio|math|details)\b[^>]*>"
    r"|!?\[[^\]\n]*\]\([^)\n]*\)|\b(javascript|vbscript|data):\S",
    re.IGNORECASE,
)
_MASK_BLAMED = re.compile(
    r"\b(malformed|placeholder|literal|empty|missing|truncated|invalid|incorrect|masked|replaced|garbled|wrong|not\s+(a\s+)?valid"
    r"|bad(ly)?|looks?\s+like)\b",
    re.IGNORECASE,
)
_FETCHED = re.compile(r"\b(?:curl|wget)\b[^|;\n]*?\s([\w-]+(?:\.[\w-]+)+)(?=[/\s:\"']|$)", re.IGNORECASE)
# Consoles and documentation of vendors. An address from anywhere else in an answer may come from the event's author.
_VENDORS = (
    *("amazon.com", "amazonaws.com", "anthropic.com", "claude.com", "apache.org", "atlassian.com", "auth0.com"),
    *("azure.com", "cloudflare.com", "docker.com", "elastic.co", "github.com", "gitlab.com", "google.com"),
    *("googleapis.com", "groq.com", "grafana.com", "hashicorp.com", "heroku.com", "huggingface.co", "kubernetes.io"),
    *("microsoft.com", "mongodb.com", "mysql.com", "nginx.org", "notion.so", "okta.com", "openai.com", "openrouter.ai"),
    *("oracle.com", "postgresql.org", "npmjs.com", "rabbitmq.com", "redhat.com", "redis.io", "sentry.io"),
    *("shopify.com", "slack.com", "snowflake.com", "stripe.com", "twilio.com", "vaultproject.io", "x.ai", "zoom.us"),
)
_TRAPS = (
    (r"\|\s*(sudo\s+)?(ba|z|da|k)?sh\b", "pipes something into a shell"),
    (r"\bbase64\s+(-d|-D|--decode)\b|\beval\s+[\"$(`]|/dev/(tcp|udp)/|\b(nc|ncat)\s+-\w*[elc]", "runs hidden code"),
    (r"\$'[^'\n]*\\[xu0-7]", "hides what it runs"),
    (r"\brm\s+-\w*r|\bmkfs\b|\bdd\s+if=|\bshred\b", "deletes data"),
    (r"\b(DROP\s+(TABLE|DATABASE|SCHEMA)|TRUNCATE\s+\w|DELETE\s+FROM)\b|\bterraform\s+destroy\b", "deletes data"),
    (r"\bkubectl\s+delete\s+(ns|namespace|pvc?|crd|node)\b", "deletes data"),
)
_FETCHES = re.compile(r"\b(curl|wget)\b", re.IGNORECASE)
_RUNS = re.compile(
    r"\bchmod\s+(\+|u\+)x\b|(?:^|[\s;&|])((ba|z|da|k)?sh|python\d?|perl|source)\s+[\w./~]", re.IGNORECASE
)
_CHANGES = re.compile(
    r"""
    (^|[;&|]\s*)(sudo\s+)?(rm|mv|cp|tee|touch|mkdir|ch(mod|own|grp|con)|setfacl|semanage|setsebool|user(mod|add)|kill
        |reboot)\b
    | \bsystemctl\s+(start|stop|restart|reload|enable|disable|mask)\b
    | \b(kubectl|oc)\s+(?!.*--dry-run)(-\S+\s+\S+\s+)*(apply|create|delete|edit|patch|replace|scale|label|annotate|drain
        |cordon|run|exec|cp|rollout)\b
    | \baws\s+\S+\s+(put|create|delete|update|attach|detach|remove|add|set|start|stop|terminate|run|modify|tag|untag
        |revoke|grant|enable|disable|(de)?register|reboot|restore|invoke|publish|send|purge|cp|mv|sync|rm|mb|rb)\b
    | \b(gcloud|az|gh|vault|redis-cli|mc|helm|terraform)\s.*\b(add|add-iam-policy-binding|set-iam-policy|create|delete
        |update|remove|set|enable|disable|write|apply|install|upgrade|destroy|edit|merge|(set|del)user|flush(all|db))\b
    | (^|[;"'(]\s*)(INSERT\s+INTO|UPDATE\s+\S+\s+SET|DELETE\s+FROM|DROP\s|ALTER\s|CREATE\s|GRANT\s|REVOKE\s|TRUNCATE\s)
    | \bcurl\b.*\s(-X\s*|--request[\s=])(POST|PUT|PATCH|DELETE)\b
    | \bcurl\b.*\s(-d|-F|-T|--data\S*|--form|--upload-file|--json)\b
    | (?<![\d&<])>(?!\s*/dev/null) | \$\( | `
    """,
    re.IGNORECASE | re.VERBOSE,
)
_LONGEST_COMMAND = 2_000


def find_bad_advice(prose: str, facts: Facts) -> Iterator[str]:
    """What is wrong with words of an answer: they recommend too much, a trap, or an address that is not a vendor's."""
    for sentence in _SENTENCE.split(prose):
        advice = _AGENT.sub(" ", _WARNING.sub(" ", sentence))
        found = None if _RISK.search(sentence) else _ADVICE.search(advice)
        if found:
            broad = (
                reason for pattern, reason in _BROAD_WORDS if re.search(pattern, advice[found.start() :], re.IGNORECASE)
            )
            for reason in (*find_overbroad(ArtifactKind.SHELL, advice[found.start() :]), *broad):
                yield f"{_short(sentence)} {reason}; recommend the narrowest change"
        for reason in find_traps(advice):
            yield f"{_short(sentence)} {reason}"
        if MASK.search(sentence) and _MASK_BLAMED.search(MASK.sub(" ", sentence)):
            yield f"{_short(sentence)} blames a mask; it hides a value that was there"
    if found := _MARKUP.search(prose):
        yield f"{_short(found.group())} is markup; write plain text"
    yield from find_addresses(prose, facts)


def find_traps(content: str) -> Iterator[str]:
    """What no artifact may do."""
    for pattern, reason in _TRAPS:
        if re.search(pattern, content, re.IGNORECASE):
            yield reason
    if _FETCHES.search(content) and _RUNS.search(content):
        yield "runs what it fetched"


def find_addresses(text: str, facts: Facts) -> Iterator[str]:
    """Web addresses that are neither a vendor's, nor local, nor the one whose request failed."""
    hosts = [*_FETCHED.findall(text), *_NO_SCHEME.findall(text)]
    addresses = [*_URL.findall(text), *(f"https://{host}" for host in hosts)]
    for address in dict.fromkeys(addresses):
        if not _is_harmless(_host(address), facts):
            yield f"{_short(address)} is no vendor's page; leave it out or write a placeholder"


def is_read_only(command: str, facts: Facts) -> bool:
    """Whether a command only looks: no change, no substitution, no redirect, no foreign address."""
    if len(command) > _LONGEST_COMMAND:
        return False
    return not (_CHANGES.search(command) or any(find_traps(command)) or any(find_addresses(command, facts)))


def _host(address: str) -> str:
    try:
        return urlsplit(address).netloc.rpartition("@")[2].partition(":")[0]
    except ValueError:
        return "malformed.address"


def _is_harmless(host: str, facts: Facts) -> bool:
    local = "." not in host or host.startswith("127.") or host.endswith((".svc", ".local", ".internal", ".localhost"))
    vendor = any(host.lower() == name or host.lower().endswith(f".{name}") for name in _VENDORS)
    return local or vendor or host.lower() in facts.own_hosts


def _short(text: str) -> str:
    return repr(text if len(text) <= 100 else f"{text[:100]}...")
