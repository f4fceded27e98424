"""What a stream of logs is sieved for: failures and refusals stay, everyday lines do not."""

import pytest

from connectors.sieve import looks_like_failure

REFUSALS = """\
AccessDenied: User is not authorized to perform: s3:GetObject
open /srv/data/report.csv: permission denied
HTTP/1.1 403 Forbidden
GET /api/v1/items status=403 in 12 ms
{"status_code": 401, "path": "/v1/models"}
User "ci" does not have the storage.objects.get access
Missing required scope: repo
insufficient_scope
PERMISSION_DENIED: Missing or insufficient permissions
the role lacks the privilege CREATE on schema public
token expired: invalid credentials
authentication failed for user backup
request requires the role admin
Operation not permitted: EPERM""".splitlines()

EVERYDAY = """\
GET /api/v1/items 200 in 12 ms
connected to 10.0.0.4:5432
migration 0042 applied: GRANT SELECT ON reports TO reader
permission granted to ops for deploy
checking permissions ... ok
loaded 403 rules in 1.2 s
access log rotated
user signed in
cache warmed with 401 entries""".splitlines()


@pytest.mark.parametrize("line", REFUSALS)
def test_a_refusal_is_kept_whatever_its_level(line):
    assert looks_like_failure(line, severity="info")


@pytest.mark.parametrize("line", EVERYDAY)
def test_an_everyday_line_is_passed_over(line):
    assert not looks_like_failure(line, severity="info", http_status=200)


@pytest.mark.parametrize(
    "facts",
    [
        {"severity": "ERROR"},
        {"severity": "fatal"},
        {"http_status": 403},
        {"http_status": 401},
        {"http_status": 502},
        {"has_exception": True},
    ],
)
def test_an_error_is_kept_whatever_its_words(facts):
    assert looks_like_failure("must be owner of table invoices", **facts)


def test_a_client_error_that_is_no_refusal_is_passed_over():
    assert not looks_like_failure("no such page", severity="warning", http_status=404)
