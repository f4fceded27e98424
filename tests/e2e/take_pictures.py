"""Take the pictures of the README from the real service with the real rules: `make screenshots`."""

import shutil
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
from playwright.sync_api import Browser, sync_playwright

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(REPOSITORY / "tests" / "support"), str(REPOSITORY)]

from service_site import Site, running_site  # noqa: E402 - a script finds the test support by itself

IMAGES = REPOSITORY / "docs" / "images"
LARGEST = 200_000
S3 = (
    "botocore.exceptions.ClientError: An error occurred (AccessDenied) when calling the GetObject operation: User: "
    "arn:aws:sts::402918837465:assumed-role/report-builder/i-0f3a9c is not authorized to perform: s3:GetObject on "
    'resource: "arn:aws:s3:::finance-exports/2026/q3.parquet" because no identity-based policy allows the '
    "s3:GetObject action"
)
EVENTS = (
    ("reports", "monitor-prod", 14, S3),
    ("support-bot", "monitor-prod", 212,
     "anthropic.AuthenticationError: Error code: 401 - {'type': 'error', 'error': {'type': 'authentication_error', "
     "'message': 'invalid x-api-key'}, 'request_id': 'req_011CQx'}"),
    ("checkout", "cluster-eu", 38,
     'pods is forbidden: User "system:serviceaccount:shop:checkout" cannot list resource "pods" in API group "" in the '
     'namespace "shop"'),
    ("summaries", "monitor-prod", 1204,
     "openai.RateLimitError: Error code: 429 - {'error': {'message': 'You exceeded your current quota, please check "
     "your plan and billing details.', 'type': 'insufficient_quota', 'param': None, 'code': 'insufficient_quota'}}"),
    ("ledger", "monitor-prod", 6, "psycopg.errors.InsufficientPrivilege: permission denied for table invoices"),
    ("release", "ci", 3, "RequestError [HttpError]: Resource not accessible by integration"),
    ("provisioner", "cluster-eu", 9,
     'Error creating: pods "agent-7d9f" is forbidden: violates PodSecurity "restricted:latest": privileged (container '
     '"agent" must not set securityContext.privileged=true)'),
    ("infra", "ci", 2,
     "User: arn:aws:iam::402918837465:user/deploy is not authorized to perform: ec2:RunInstances on resource: "
     "arn:aws:ec2:us-east-1:402918837465:instance/* with an explicit deny in a service control policy"),
    ("search", "monitor-prod", 51,
     "anthropic.BadRequestError: Error code: 400 - {'type': 'error', 'error': {'type': 'invalid_request_error', "
     "'message': 'Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing to upgrade "
     "or purchase credits.'}}"),
    ("ledger", "monitor-prod", 17, "ERROR:  permission denied for schema accounting"),
    ("exports", "monitor-prod", 4, "Upload to the partner bucket fails since the key rotation: 403"),
    ("embeddings", "monitor-prod", 27,
     "google.api_core.exceptions.PermissionDenied: 403 Permission 'aiplatform.endpoints.predict' denied on resource "
     "'//aiplatform.googleapis.com/projects/acme-ml/locations/us-central1/endpoints/4711' (or it may not exist)."),
)  # fmt: skip


def send_events(site: Site) -> None:
    """Make the connections and deliver the events through them, the last one newest."""
    browser = site.browser()
    for name in sorted({connection for _, connection, _, _ in EVENTS}):
        made = browser.post("/sources/new", data={"name": name, "connector": "generic", "scheme": "none"})
        assert made.status_code == 200, made.text
    now = datetime.now(UTC)
    for number, (service, connection, count, text) in enumerate(EVENTS):
        moment = now - timedelta(minutes=2 + 7 * number)
        events = [
            {
                "id": f"{number}-{copy}",
                "text": text,
                "service": service,
                "environment": "production",
                "timestamp": (moment - timedelta(minutes=13 * copy)).isoformat(),
            }
            for copy in range(count)
        ]
        reply = httpx.post(f"{site.url}/ingest/{connection}", json=events, trust_env=False, timeout=60)
        assert reply.is_success, reply.text


def mark_unanswered(site: Site) -> None:
    """What no rule knows waits for a model; this service has none."""
    client = site.browser()
    listed = client.get("/api/v1/failures?producer=none", headers={"accept": "application/json"}).json()
    for failure in listed["items"]:
        site.set_state(failure["id"], "unavailable")


def take(browser: Browser, site: Site, path: str, name: str, height: int, *, dark: bool = False) -> None:
    """One picture of one page."""
    context = browser.new_context(
        base_url=site.url, viewport={"width": 1120, "height": height}, color_scheme="dark" if dark else "light"
    )
    context.add_cookies([{"name": c.name, "value": c.value or "", "url": site.url} for c in site.browser().cookies.jar])
    page = context.new_page()
    page.goto(path)
    if path.startswith("/?q="):
        page.locator("[data-row]").first.click()
        page.wait_for_load_state()
    file = IMAGES / f"{name}.png"
    page.screenshot(path=file)
    context.close()
    size = file.stat().st_size
    assert size < LARGEST, f"{file} has {size} bytes"
    print(f"{file.relative_to(REPOSITORY)}  {size:,} bytes")


def main() -> None:
    IMAGES.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, running_site(Path(folder), rules_dir=REPOSITORY / "rules") as site:
        send_events(site)
        mark_unanswered(site)
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
            take(browser, site, "/", "queue", 760)
            take(browser, site, "/?q=finance-exports", "failure", 1000)
            browser.close()


if __name__ == "__main__":
    main()
