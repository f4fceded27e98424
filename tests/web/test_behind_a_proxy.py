"""Behind a real nginx, below a path: every address leads back through it, whether it takes the path off or not."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from api_client import ADMIN_KEY, client, connect
from private_server import find_program, free_port, running
from service_site import EMAIL, PASSWORD, RULES, Site, running_site

from service.app import StartError, create_app
from service.settings import Settings
from service.web.pages import SECTIONS
from service.web.prefix import ambiguous, below

PREFIX = "/tools/why"
LINK = re.compile(r'(?:href|action|src|formaction|data-fill|data-from|data-progress)="([^"#?][^"]*)"')


@dataclass
class Behind:
    """A service and two addresses of it: through a proxy that takes the path off, and one that leaves it on."""

    site: Site
    strips: str
    keeps: str

    def browser(self, origin: str) -> httpx.Client:
        headers = {"accept": "text/html", "origin": origin}
        opened = httpx.Client(base_url=origin, headers=headers, trust_env=False, verify=False, timeout=60)
        self.site.open_until_the_end.enter_context(opened)
        return opened

    def signed_in(self, origin: str) -> httpx.Client:
        browser = self.browser(origin)
        form = {"email": EMAIL, "password": PASSWORD, "next": "/rules?q=table"}
        reply = browser.post(f"{PREFIX}/login", data=form)
        assert (reply.status_code, reply.headers["location"]) == (303, f"{PREFIX}/rules?q=table")
        return browser


def configuration(folder: Path, upstream: str, strips: int, keeps: int) -> str:
    folders = "".join(f"{kind}_temp_path {folder};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    headers = "proxy_set_header Host $http_host; proxy_set_header X-Forwarded-For $remote_addr;"
    return f"""daemon off; pid {folder}/pid; error_log {folder}/log; events {{}}
    http {{ access_log off; {folders} {headers}
      server {{ listen 127.0.0.1:{strips}; location {PREFIX}/ {{ proxy_pass {upstream}/; }} }}
      server {{ listen 127.0.0.1:{keeps}; location {PREFIX} {{ proxy_pass {upstream}; }} }} }}"""


@pytest.fixture(scope="module")
def behind(reverse_proxy: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Behind]:
    folder = tmp_path_factory.mktemp("proxy")
    strips, keeps = free_port(), free_port()
    public = f"http://127.0.0.1:{strips}{PREFIX}"
    with running_site(folder / "service", public_url=public, admin_api_key=ADMIN_KEY) as site:
        (folder / "nginx.conf").write_text(configuration(folder, site.url, strips, keeps))
        command = [find_program("nginx"), "-c", str(folder / "nginx.conf"), "-e", str(folder / "log")]
        with running(command, folder / "output", port=keeps):
            yield Behind(site, f"http://127.0.0.1:{strips}", f"http://127.0.0.1:{keeps}")


@pytest.fixture(scope="module")
def reverse_proxy() -> None:
    """Needs an nginx; `private_server` says what to do where there is none."""


@pytest.fixture(params=["strips", "keeps"])
def origin(behind: Behind, request: pytest.FixtureRequest) -> str:
    address: str = getattr(behind, request.param)
    return address


def test_whoever_is_not_signed_in_is_sent_to_the_form_and_comes_back(behind: Behind, origin: str) -> None:
    browser = behind.browser(origin)
    sent = browser.get(f"{PREFIX}/failures/x?status=all")
    assert sent.headers["location"] == f"{PREFIX}/login?next=%2Ffailures%2Fx%3Fstatus%3Dall"
    page = browser.get(sent.headers["location"]).text
    assert f'action="{PREFIX}/login"' in page
    assert 'name="next" value="/failures/x?status=all"' in page
    entered = browser.post(f"{PREFIX}/login", data={"email": EMAIL, "password": PASSWORD, "next": "/x"})
    assert f"; Path={PREFIX}/;" in entered.headers["set-cookie"]
    assert browser.post(f"{PREFIX}/logout").headers["location"] == f"{PREFIX}/login"


def test_the_way_from_the_queue_to_a_verdict_stays_below_the_path(behind: Behind, origin: str) -> None:
    number = 1 if origin == behind.strips else 2
    failure = behind.site.seed(number, answer={}).failure_id
    browser = behind.signed_in(origin)
    assert f'href="{PREFIX}/failures/{failure}' in browser.get(f"{PREFIX}/").text
    page = browser.get(f"{PREFIX}/failures/{failure}").text
    fields = {name: re.findall(rf'name="{name}" value="([^"]*)"', page)[0] for name in ("analysis", "version")}
    decided = browser.post(f"{PREFIX}/failures/{failure}/review", data={**fields, "decision": "approve"})
    assert decided.headers["location"].startswith(f"{PREFIX}/")
    assert "Approved." in browser.get(decided.headers["location"]).text


def test_every_address_on_every_page_stays_below_the_path(behind: Behind) -> None:
    site = behind.site
    connect(site, "behind")
    waiting = site.seed(3, "a text that nobody knows").failure_id
    site.set_state(waiting or "", "running")
    known = site.seed(4, answer={}).failure_id
    browser = behind.signed_in(behind.strips)
    pages = [path for path, _ in SECTIONS]
    pages += [f"/failures/{known}", f"/failures/{known}/correct", f"/failures/{waiting}", "/rules/demo.table-denied"]
    pages += ["/sources/new", "/sources/new?connector=generic", "/sources/behind", "/account", "/settings/accounts"]
    pages += ["/settings/keys", "/settings/sessions", "/nowhere", "/rules?system=demo"]
    wrong, seen = [], set()
    for path in pages:
        reply = browser.get(f"{PREFIX}{path}")
        assert reply.status_code == (404 if path == "/nowhere" else 200), path
        for address in LINK.findall(reply.text):
            seen.add(address)
            if not address.startswith((f"{PREFIX}/", "http://", "https://")):
                wrong.append((path, address))
    assert wrong == []
    files = {address for address in seen if "/static/" in address}
    assert len(files) >= 3
    assert all(browser.get(address).status_code == 200 for address in files)


def test_live_progress_and_addresses_for_senders_go_through_the_proxy(behind: Behind) -> None:
    failure = behind.site.seed(5, "another text that nobody knows").failure_id or ""
    behind.site.set_state(failure, "running")
    browser = behind.signed_in(behind.strips)
    shown = browser.get(f"{PREFIX}/failures/{failure}").text
    assert f'data-progress="{PREFIX}/failures/{failure}/progress"' in shown
    with browser.stream("GET", f"{PREFIX}/failures/{failure}/progress") as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
    path = connect(behind.site, "through")
    page = browser.get(f"{PREFIX}/sources/through").text
    assert f"{behind.strips}{PREFIX}{path}" in page
    sent = httpx.post(
        f"{behind.strips}{PREFIX}{path}", json={"message": "permission denied for table pay"}, trust_env=False
    )
    assert sent.status_code == 202, sent.text
    with client(behind.site) as api:
        made = api.post(
            "/api/v1/connections", json={"name": "rest", "connector": "generic", "auth": {"scheme": "none"}}
        )
        assert made.json()["url"] == f"{behind.strips}{PREFIX}/ingest/rest"
        assert api.get("/openapi.json").json()["servers"] == [{"url": PREFIX}]


def test_a_slash_too_many_leads_to_the_page_without_it(behind: Behind, origin: str) -> None:
    browser = behind.signed_in(origin)
    assert browser.get(f"{PREFIX}/rules/").headers["location"] == f"{PREFIX}/rules"
    assert browser.get(f"{PREFIX}//evil.example/").headers.get("location", PREFIX).startswith((PREFIX, origin))


@pytest.mark.parametrize(
    ("address", "complete"),
    [("/rules", "/p/rules"), ("//evil.example", "//evil.example"), ("https://a.example/", "https://a.example/")],
)
def test_only_addresses_of_ours_get_the_prefix(address: str, complete: str) -> None:
    assert below("/p", address) == complete


def test_a_path_that_begins_like_one_of_ours_is_refused_at_the_start(tmp_path: Path) -> None:
    assert not ambiguous("", ["/rules"])
    assert not ambiguous(PREFIX, ["/rules", "/", "/ingest/"])
    (tmp_path / "demo.yaml").write_text(RULES)
    public = "https://example.com/rules"
    with pytest.raises(StartError, match="the path /rules begins like an address of the service"):
        create_app(Settings(data_dir=tmp_path, rules_dir=tmp_path, worker=False, public_url=public))
