"""The policy of pages in a real browser: it forbids what it should, and nothing that we use."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page

from tests.browser.test_pages import BROKEN
from tests.wire.servers import Server, manage, serving

pytestmark = pytest.mark.slow
WATCH = """
document.addEventListener("securitypolicyviolation", event => {
  console.error("violation: " + event.effectiveDirective + " " + event.blockedURI);
});
"""
# Pages of the admin that a link of its first page leads to, and what is tried there.
MODELS = ("images_app/image", "images_app/gallery", "accounts/user", "auth/group")


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Iterator[Server]:
    var = tmp_path_factory.mktemp("policy")
    manage(var, "images_demo", "--no-serve")
    manage(var, "collectstatic", "--no-input", "-v0")
    with serving("gunicorn threads", var) as running:
        yield running


@pytest.fixture
def page(chromium, site) -> Iterator[Page]:
    """A page that remembers its violations and errors."""
    context = chromium.new_context(base_url=site.url, viewport={"width": 1280, "height": 900})
    context.add_init_script(WATCH)
    problems = []

    def listen(page):
        page.on("console", lambda said: problems.append(said.text) if is_problem(said) else None)
        page.on("pageerror", lambda error: problems.append(str(error)))

    context.on("page", listen)  # windows that the admin opens too
    page = context.new_page()
    page.problems = problems
    yield page
    context.close()


def is_problem(message) -> bool:
    """Errors, but for the one that chromium writes of an answer with an error's status."""
    return message.type == "error" and "Failed to load resource" not in message.text


def log_in(page: Page, name: str, password: str = "demo-password", door: str = "/login/") -> None:
    page.goto(door)
    page.fill("[name=username]", name)
    page.fill("[name=password]", password)
    page.click("main [type=submit]")


def visit(page: Page, url: str) -> None:
    response = page.goto(url)
    assert response.headers["content-security-policy"].startswith("default-src 'self'"), url
    page.wait_for_load_state("networkidle")
    assert page.evaluate(BROKEN) == [], url
    assert page.problems == [], url


def links(page: Page, selector: str) -> list[str]:
    return page.eval_on_selector_all(selector, "found => found.map(a => a.pathname + a.search)")


# What is put into a page as an attacker's text would be, and what must forbid it.
FORBIDDEN = {
    "style-src-elem": "<style>body { color: red }</style>",
    "style-src-attr": "<p style='color: red'>text</p>",
    "script-src-attr": "<img src='/absent' onerror='window.ran = true'>",
    "img-src": "<img src='data:image/gif;base64,R0lGODlhAQABAAAAACw='>",
    "base-uri": "<base href='/elsewhere/'>",
    "object-src": "<object data='/favicon.ico'></object>",
    "form-action": "<form id=away action='http://127.0.0.1:1/'></form>",
    "frame-src": "<iframe src='http://127.0.0.1:1/'></iframe>",
}


def test_policy__forbids_what_it_should(page):
    """And the watching sees it."""
    page.goto("/login/")
    for text in FORBIDDEN.values():
        page.evaluate("text => document.body.insertAdjacentHTML('beforeend', text)", text)
    page.evaluate("document.getElementById('away').submit()")
    page.evaluate("""() => {
        const script = document.createElement("script");
        script.textContent = "window.ran = true";
        document.body.append(script);
    }""")
    page.wait_for_load_state("networkidle")
    seen = {text.split()[1] for text in page.problems if text.startswith("violation: ")}
    assert seen == {*FORBIDDEN, "script-src-elem"}
    assert page.evaluate("window.ran") is None


def test_anonymous__violates_nothing(page):
    for url in ("/", "/login/", "/admin/login/", "/no/such/page/"):
        visit(page, url)
    page.goto("/")
    page.click("text=Postcards")
    visit(page, page.url)
    page.locator("main picture").first.click()
    visit(page, page.url)


def test_locked_out__reads_the_page(page):
    for _ in range(10):
        log_in(page, "somebody", "wrong")
    assert "Too many attempts" in page.inner_text("main h1")
    assert page.locator("main .ia-button").count() == 1
    assert page.evaluate("getComputedStyle(document.body).margin") == "0px"  # by images_app.css
    assert page.problems == []


@pytest.mark.parametrize("name", ["viewer", "editor"])
def test_members__violate_nothing(page, name):
    log_in(page, name)
    for gallery in links(page, "main a[href^='/galleries/']"):
        visit(page, gallery)
        for other in links(page, "main a[href^='/galleries/'], main a[href^='/links/']"):
            visit(page, other)
        visit(page, gallery)
    visit(page, links(page, "main a[href^='/images/']")[0])
    page.click(".site-logout")
    page.wait_for_url("**/login/**")
    assert page.problems == []


@pytest.mark.parametrize("model", MODELS)
def test_admin__violates_nothing(page, model):
    log_in(page, "admin", door="/admin/login/")
    visit(page, "/admin/")
    visit(page, "/admin/password_change/")
    visit(page, f"/admin/{model}/")
    rows = [url for url in links(page, "#result_list tbody th a") if model in url]
    visit(page, f"/admin/{model}/add/")
    for url in rows[:1]:
        first = url.split("?")[0]
        visit(page, first)
        for name in ("delete/", "history/"):
            visit(page, first.replace("change/", name))


def test_admin__its_scripts_work(page):
    """Calendars, rows that are added, fields that look things up, and windows that open."""
    log_in(page, "admin", door="/admin/login/")
    page.goto("/admin/images_app/gallery/")
    page.locator("#result_list tbody th a").first.click()
    page.wait_for_load_state("networkidle")
    rows = page.locator(".dynamic-grants, .dynamic-items").count()
    page.locator(".add-row a").first.click()
    page.locator(".add-row a").last.click()
    assert page.locator(".dynamic-grants, .dynamic-items").count() > rows
    lookup = page.locator(".select2-selection:visible").last
    lookup.click()
    page.wait_for_selector(".select2-results__option")
    page.keyboard.press("Escape")
    page.locator("a:has(.date-icon):visible").first.click()
    page.wait_for_selector(".calendarbox:visible")
    page.wait_for_load_state("networkidle")
    assert page.problems == []
