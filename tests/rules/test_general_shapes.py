"""The general layer reads families of sentences, whoever says them: who x what x how x carried by what.

A refusal stays a refusal in any carrier; its neighbours, the credential that is missing and the request that is not
valid or too much, stay what they are even where the carrier says 403.
"""

import json
from collections.abc import Callable, Iterator

import pytest
from shipped_rules import MATCHER

from service.domain import Verdict
from service.match.matcher import Matcher
from service.render import MISSING

GENERAL = Matcher([pack for pack in MATCHER.packs if pack.layer == "general"])

THINGS = ("batch", "voucher", "ledger", "warehouse", "shift plan")
DEEDS = ("delete", "view", "edit", "approve", "export")

REFUSALS = """
You are not allowed to {deed} this {thing}
You're not authorised to {deed} this {thing}
User nina is not permitted to {deed} {thing} 7
nina@example.com is not authorized to {deed} {thing} 7
You do not have permission to {deed} this {thing}
User does not have the required permission ledger.{deed}
Missing permission: ledger:{deed}
missing required permission 'ledger.{deed}'
Insufficient permissions to {deed} the {thing}
insufficient privileges for {thing} 7
Not enough rights to {deed} this {thing}
You have no access to this {thing}
You have not been granted access to this {thing}
Access to this {thing} is restricted
Access denied to {thing} 7
Only the owner can {deed} this {thing}
Only owners and managers may {deed} a {thing}
Only members of the finance group may {deed} it
Only settlement supervisors can reconcile the {thing}
Only an auditor can {deed} this {thing}
You must be an admin to {deed} this {thing}
Admin access required
This action requires the auditor role
Role 'clerk' is not allowed to {deed} it
your role cannot {deed} a {thing}
This {thing} does not belong to you
This {thing} belongs to another user
You do not own this {thing}
You are not the owner of this {thing}
You are not a member of this {thing}
nina is not the approver of batch 7
You can only {deed} your own records
You cannot {deed} someone else's {thing}
Not your {thing}
This {thing} is private
Unauthorized action
unauthorized to {deed} this {thing}
Action {deed} is not permitted
You are not eligible to {deed} this {thing}
Token is missing required scope ledger.{deed}
The token lacks the scope ledger:{deed}
The caller lacks the {deed} privilege on it
Permission ledger_{deed} not granted
Sie haben keine Berechtigung für {thing} 7
Nur Vorgesetzte dürfen das
Vous n'avez pas le droit de modifier {thing} 7
Espace réservé aux caissiers
No tiene permisos para editar {thing} 7
Apenas supervisores podem fechar {thing} 7
Non hai i permessi per {thing} 7
Недостаточно прав для {thing} 7
Tylko kierownik może to zamknąć
Yetkiniz yok
您没有权限访问账本
只有仓库管理员才可以修改
この台帳を編集する権限がありません
장부에 대한 권한이 없습니다
Bạn không có quyền sửa sổ cái
""".strip().splitlines()

CREDENTIALS = """
No token provided
Missing access token
Authorization header is missing
x-ledger-signature header is missing
Invalid token
Invalid or expired token
Your session has expired, please log in again
jwt expired
Webhook signature verification failed
API key is required
LEDGER_INVALID_API_TOKEN
LEDGER_API_KEY not set
Incorrect username or password
Please log in to {deed} this {thing}
You must be logged in to {deed} it
Login required
Authentication required
User is not authenticated
Could not validate credentials
Please verify your email address
Ungültiges Token
Jeton invalide ou expiré
Credenciales inválidas
Неверный пароль
请先登录
ログインしてください
""".strip().splitlines()

NO_RIGHTS_INVOLVED = """
Rate limit exceeded, retry in 30 seconds
Too many login attempts
Monthly quota exceeded for {thing}s
You have reached the limit of 5 {thing}s
Insufficient credits to {deed} it
Payment required to {deed} this {thing}
Your trial has expired
No space left on device
Invalid CSRF token
Cross-origin request rejected
origin not allowed
Request blocked by web application firewall
reCAPTCHA score too low
This service is not available in your country
The {thing} name must be unique
amount is required
Invalid {thing} id
title must be at least 3 characters
Method not allowed
You cannot {deed} yourself
A {thing} with this name already exists
""".strip().splitlines()

DEFECTS = """
connect ECONNREFUSED 10.0.0.9:5432
read timed out
service unavailable
status code 404: {thing} 7 not found
Cannot read properties of undefined (reading 'batch')
""".strip().splitlines()

NEUTRAL: dict[str, Callable[[str], str]] = {
    "sentence": lambda text: text,
    "javascript": lambda text: f"Error: {text}\n    at settle (/srv/ledger/dist/batch.js:31:9)",
    "java": lambda text: (
        f"com.example.ledger.LedgerException: {text}\n\tat com.example.ledger.Batch.settle(Batch.java:31)"
    ),
    "json": lambda text: json.dumps({"detail": text}, ensure_ascii=False),
    "json in json": lambda text: json.dumps({"log": json.dumps({"msg": text}, ensure_ascii=False)}, ensure_ascii=False),
    "log line": lambda text: f"2026-03-02T10:00:00Z ERROR ledgerd[7]: {text}",
    "logfmt": lambda text: f'level=error ts=2026-03-02 msg="{text}" component=ledger',
}
SAYS_403: dict[str, Callable[[str], str]] = {
    "403 and body": lambda text: f'HTTP 403 {{"error":"{text}"}}',
    "exception": lambda text: f"ForbiddenException: {text}",
    "code": lambda text: json.dumps({"code": "FORBIDDEN", "message": text}, ensure_ascii=False),
    "body with status": lambda text: json.dumps({"statusCode": 403, "message": text}, ensure_ascii=False),
}
SAYS_401: dict[str, Callable[[str], str]] = {
    "401 and body": lambda text: f'HTTP 401 {{"error":"{text}"}}',
    "exception": lambda text: f"UnauthorizedException: {text}",
}


def filled(sentences: list[str]) -> Iterator[str]:
    for number, sentence in enumerate(sentences):
        yield sentence.format(thing=THINGS[number % len(THINGS)], deed=DEEDS[number % len(DEEDS)])


def read_otherwise(sentences: list[str], carriers: dict[str, Callable[[str], str]], verdict: Verdict) -> list[str]:
    """The carried sentences that get another verdict, or none."""
    texts = [carry(sentence) for sentence in filled(sentences) for carry in carriers.values()]
    return [text for text in texts if (match := GENERAL.match(text, {})) is None or match.verdict is not verdict]


@pytest.mark.parametrize("carriers", [NEUTRAL, SAYS_403], ids=["neutral", "says 403"])
def test_a_refusal_is_read_in_any_carrier(carriers: dict[str, Callable[[str], str]]) -> None:
    assert read_otherwise(REFUSALS, carriers, Verdict.PERMISSION) == []


@pytest.mark.parametrize("carriers", [NEUTRAL, SAYS_403, SAYS_401], ids=["neutral", "says 403", "says 401"])
def test_a_credential_that_is_not_accepted_is_no_missing_right(carriers: dict[str, Callable[[str], str]]) -> None:
    assert read_otherwise(CREDENTIALS, carriers, Verdict.AUTHENTICATION) == []


@pytest.mark.parametrize("carriers", [NEUTRAL, SAYS_403], ids=["neutral", "says 403"])
def test_a_limit_a_check_or_a_bad_value_is_no_missing_right(carriers: dict[str, Callable[[str], str]]) -> None:
    assert read_otherwise(NO_RIGHTS_INVOLVED, carriers, Verdict.OTHER) == []


def test_a_defect_is_no_missing_right() -> None:
    assert read_otherwise(DEFECTS, NEUTRAL, Verdict.OTHER) == []


@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        (401, Verdict.AUTHENTICATION),
        (403, Verdict.PERMISSION),
        (404, Verdict.OTHER),
        (422, Verdict.OTHER),
        (429, Verdict.OTHER),
    ],
)
def test_the_status_alone_decides_where_the_body_says_nothing(status: int, verdict: Verdict) -> None:
    body = '{"detail":"batch 7 is in another ledger"}'
    match = GENERAL.match(body, {"http_status": status})
    assert match is not None
    assert match.verdict is verdict
    assert GENERAL.match(body, {}) is None


def test_nothing_that_the_text_left_out_shows_in_an_answer() -> None:
    texts = [*filled(REFUSALS)]
    texts += ['401 {"error":"insufficient_scope"}', "Token is missing required scope"]
    answers = {text: match.answer("a").model_dump_json() for text in texts if (match := GENERAL.match(text, {}))}
    assert [text for text, answer in answers.items() if MISSING in answer] == []
    assert len(answers) == len(texts)


def test_a_general_answer_is_never_sure_and_never_grants() -> None:
    answers = [match.answer("a") for text in filled(REFUSALS) if (match := GENERAL.match(text, {}))]
    assert {answer.confidence for answer in answers} == {"likely"}
    assert [answer for answer in answers if answer.fix and answer.fix.artifacts] == []
