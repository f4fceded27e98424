"""Secrets that say themselves whose they are: vendor prefixes and fixed shapes."""

import re
from collections.abc import Iterator
from typing import NamedTuple

from service.redact.span import Span, View

_ALNUM = "[A-Za-z0-9]"
_DASHED = "[A-Za-z0-9_-]"

# Each row: kind, prefixes, what follows. `loose` prefixes also end ordinary words (`task-...`), so nothing may be glued
# to their left. Minimum lengths are below the vendors' real ones, and above the hints that vendors print themselves.
_PREFIXED: tuple[tuple[str, str, str], ...] = (
    ("anthropic_key", "sk-ant-", f"{_DASHED}{{16,}}"),
    ("openrouter_key", "sk-or-", f"{_DASHED}{{20,}}"),
    ("langfuse_key", "sk-lf-", f"{_DASHED}{{20,}}"),
    ("openai_key", "sk-proj- sk-svcacct- sk-admin- sk-None-", f"{_DASHED}{{20,}}"),
    ("xai_key", "xai-", f"{_ALNUM}{{20,}}"),
    ("groq_key", "gsk_", f"{_ALNUM}{{20,}}"),
    ("perplexity_key", "pplx-", f"{_ALNUM}{{20,}}"),
    ("nvidia_key", "nvapi-", f"{_DASHED}{{20,}}"),
    ("langsmith_key", "lsv2_pt_ lsv2_sk_", "[A-Za-z0-9_]{20,}"),
    ("pinecone_key", "pcsk_", "[A-Za-z0-9_]{20,}"),
    ("tavily_key", "tvly-", f"{_DASHED}{{20,}}"),
    ("bedrock_key", "ABSK bedrock-api-key-", "[A-Za-z0-9+/=]{60,}"),
    ("google_api_key", "AIza", f"{_DASHED}{{30,}}"),
    ("google_oauth_token", "ya29.", "[A-Za-z0-9._-]{20,}"),
    ("google_refresh_token", "1//0", f"{_DASHED}{{20,}}"),
    ("google_client_secret", "GOCSPX-", f"{_DASHED}{{20,}}"),
    ("aws_session_token", "IQoJb3JpZ2lu FwoGZXIvYXdz FQoGZXIvYXdz AQoDYXdz", "[A-Za-z0-9/+=%_-]{20,}"),
    ("github_token", "ghp_ gho_ ghu_ ghs_ ghr_", rf"[A-Za-z0-9_]{{20,}}(?:\.{_DASHED}{{10,}}){{0,2}}"),
    ("github_token", "github_pat_", "[A-Za-z0-9_]{20,}"),
    (
        "gitlab_token",
        "glpat- gloas- gldt- glrt- glrtr- glcbt- glptt- glft- glimt- glagent- glsoat- glffct- glwt-",
        "[A-Za-z0-9_.=-]{16,}",
    ),
    ("slack_token", "xoxa- xoxb- xoxe- xoxe. xoxo- xoxp- xoxr- xoxs- xoxc- xoxd- xapp-", "[A-Za-z0-9.%-]{10,}"),
    ("stripe_key", "sk_live_ sk_test_ rk_live_ rk_test_ sk_prod_ rk_prod_", f"{_ALNUM}{{16,}}"),
    ("webhook_secret", "whsec_", "[A-Za-z0-9+/=_-]{16,}"),
    ("npm_token", "npm_", f"{_ALNUM}{{30,}}"),
    ("pypi_token", "pypi-A", f"{_DASHED}{{30,}}"),
    ("vault_token", "hvs. hvb. hvr.", f"{_DASHED}{{20,}}"),
    ("digitalocean_token", "dop_v1_ doo_v1_ dor_v1_", f"{_ALNUM}{{20,}}"),
    ("sentry_token", "sntrys_ sntryu_ sntrya_", "[A-Za-z0-9_=+/-]{20,}"),
    ("shopify_token", "shpat_ shpca_ shppa_ shpss_", f"{_ALNUM}{{20,}}"),
    ("grafana_token", "glsa_ glc_", "[A-Za-z0-9_=+/-]{20,}"),
    ("linear_key", "lin_api_ lin_oauth_", f"{_ALNUM}{{20,}}"),
    ("notion_token", "ntn_", f"{_ALNUM}{{30,}}"),
    ("atlassian_token", "ATATT3 ATCTT3 ATBB ATSTT3", "[A-Za-z0-9_=+/-]{24,}"),
    ("docker_token", "dckr_pat_ dckr_oat_", f"{_DASHED}{{20,}}"),
    ("databricks_token", "dapi dose dsapi", "[a-f0-9]{32,}(?:-[0-9])?"),
    ("newrelic_key", "NRAK- NRRA- NRJS-", f"{_ALNUM}{{16,}}"),
    ("planetscale_token", "pscale_tkn_ pscale_pw_ pscale_oauth_", f"{_DASHED}{{20,}}"),
    ("supabase_key", "sbp_ sb_secret_", f"{_DASHED}{{20,}}"),
    ("posthog_key", "phx_ phs_", f"{_ALNUM}{{20,}}"),
    ("pulumi_token", "pul-", "[a-f0-9]{40,}"),
    ("netlify_token", "nfp_", f"{_ALNUM}{{30,}}"),
    ("heroku_key", "HRKU-", f"{_DASHED}{{30,}}"),
    ("fly_token", "FlyV1 fm1_ fm2_ fo1_", "[A-Za-z0-9_+/=,-]{30,}"),
    ("circleci_token", "CCIPAT_ CCIPRJ_", "[A-Za-z0-9_]{20,}"),
    ("rubygems_key", "rubygems_", f"{_ALNUM}{{30,}}"),
    ("postman_key", "PMAK-", f"{_DASHED}{{40,}}"),
    ("figma_token", "figd_ figo_", f"{_DASHED}{{20,}}"),
    ("doppler_token", "dp.pt. dp.st. dp.ct. dp.sa.", "[A-Za-z0-9_.-]{20,}"),
    ("artifactory_token", "AKCp", f"{_ALNUM}{{50,}}"),
    ("square_token", "sq0atp- sq0csp- EAAAE", f"{_DASHED}{{20,}}"),
    ("facebook_token", "EAA", f"{_ALNUM}{{60,}}"),
    ("age_key", "AGE-SECRET-KEY-1", "[A-Z0-9]{30,}"),
    ("prefect_key", "pnu_ pnb_", f"{_ALNUM}{{30,}}"),
    ("yandex_key", "AQVN", f"{_DASHED}{{35,}}"),
)
_LOOSE: tuple[tuple[str, str, str], ...] = (
    ("openai_key", "sk-", rf"(?:[A-Za-z0-9]{{1,12}}-){{0,2}}{_ALNUM}{{20,}}"),
    ("elevenlabs_key", "sk_", f"{_ALNUM}{{20,}}"),
    ("huggingface_token", "hf_ api_org_", f"{_ALNUM}{{20,}}"),
    ("replicate_token", "r8_", f"{_ALNUM}{{20,}}"),
    ("fireworks_key", "fw_", f"{_ALNUM}{{20,}}"),
    ("cerebras_key", "csk-", f"{_ALNUM}{{20,}}"),
    ("notion_token", "secret_", f"{_ALNUM}{{40,}}"),
    ("mailgun_key", "key-", "[a-f0-9]{32}"),
)


_ESCAPE_BEFORE = re.compile(
    r"(?:\\[nrtbfv0]|%[0-9A-Fa-f]{2}|\\x[0-9a-fA-F]{2}|\\u[0-9a-fA-F]{4}|\[[0-9;]{0,8}m|&[a-z]{2,4};)$"
)
_GLUED = re.compile(r"[A-Za-z0-9_-]*+")
_STUB = re.compile(r"[xX*.]{8,}|[xX0*.-]{16,}")


class Vendor(NamedTuple):
    """The keys of one vendor: `prefixes`, then `body`. `loose` prefixes also end ordinary words (`task-...`)."""

    kind: str
    prefixes: tuple[str, ...]
    body: re.Pattern[str]
    loose: bool

    @property
    def trigger(self) -> str:
        """RE2 that occurs in every text with such a key."""
        prefixes = "|".join(map(re.escape, self.prefixes))
        return f"(?:{prefixes}){self.body.pattern}"


def _vendors(rows: tuple[tuple[str, str, str], ...], *, loose: bool) -> Iterator[Vendor]:
    for kind, prefixes, body in rows:
        yield Vendor(kind, tuple(prefixes.split()), re.compile(body), loose)


VENDORS = (*_vendors(_PREFIXED, loose=False), *_vendors(_LOOSE, loose=True))


def find_keys_of(vendor: Vendor, view: View) -> Iterator[Span]:
    """Every key of one vendor."""
    text = view.text
    for prefix in vendor.prefixes:
        start = text.find(prefix)
        while start >= 0:
            end = _end_of_key(text, start, start + len(prefix), vendor)
            if end:
                yield Span(start, end, vendor.kind)
            start = text.find(prefix, end or start + 1)


def _end_of_key(text: str, start: int, after_prefix: int, vendor: Vendor) -> int:
    if vendor.loose and is_glued(text, start):
        return 0
    body = vendor.body.match(text, after_prefix)
    if not body or _is_stub(body.group()):
        return 0
    glued = _GLUED.match(text, body.end())
    return glued.end() if glued else body.end()


def is_glued(text: str, start: int) -> bool:
    """Whether a letter or digit stands right before `start` that ends no escape (`\\n`, `%3D`, `\\x1b[0m`)."""
    before = text[start - 1 : start]
    if not (before.isascii() and before.isalnum()):
        return False
    return _ESCAPE_BEFORE.search(text[max(0, start - 12) : start]) is None


def _is_stub(body: str) -> bool:
    """`AIzaSyxxxxxxxxxxxxxxxxxxxxxx`: somebody took the secret out already."""
    return len(body.strip("xX*.-0_")) <= 4 and _STUB.search(body) is not None
