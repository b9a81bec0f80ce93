"""The pages in a real browser: they fit, they do not jump, they say nothing to strangers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page

from tests.pictures import noise
from tests.wire.servers import Server, manage, serving

pytestmark = pytest.mark.slow
SIZES = {"phone": (390, 844), "desk": (1440, 900)}
OBSERVE = """
window.shift = 0;
new PerformanceObserver(list => {
  for (const entry of list.getEntries()) window.shift += entry.value;
}).observe({type: "layout-shift", buffered: true});
"""
# An image that the browser has asked for and could not show.
BROKEN = "[...document.images].filter(i => i.complete && !i.naturalWidth).map(i => i.currentSrc)"
LOADED = "[...document.images].filter(i => i.complete && i.naturalWidth).length"


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Iterator[Server]:
    var = tmp_path_factory.mktemp("browser")
    manage(var, "images_demo", "--no-serve")
    manage(var, "collectstatic", "--no-input", "-v0")
    with serving("gunicorn threads", var) as running:
        yield running


@pytest.fixture(params=["dark", "light"])
def theme(request) -> str:
    return request.param


@pytest.fixture(params=SIZES)
def page(request, chromium, theme, site) -> Iterator[Page]:
    width, height = SIZES[request.param]
    context = chromium.new_context(
        viewport={"width": width, "height": height}, color_scheme=theme, base_url=site.url
    )
    page = context.new_page()
    page.add_init_script(OBSERVE)
    page.problems = []
    page.on("console", lambda m: page.problems.append(m.text) if m.type == "error" else None)
    page.on("pageerror", lambda error: page.problems.append(str(error)))
    yield page
    context.close()


def log_in(page: Page, name: str = "viewer") -> None:
    page.goto("/login/")
    page.fill("[name=username]", name)
    page.fill("[name=password]", "demo-password")
    page.click("main [type=submit]")
    page.wait_for_url("**/")


def look(page: Page) -> None:
    """What holds on every page."""
    page.wait_for_load_state("networkidle")
    width = page.viewport_size["width"]
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate(BROKEN) == []
    assert page.evaluate("window.shift") < 0.02
    assert page.evaluate("[...document.images].every(i => i.hasAttribute('alt'))")
    assert page.problems == []


def test_viewer__browses_from_list_to_image(page):
    log_in(page)
    look(page)
    titles = page.locator("main h2, main h3").all_inner_texts()
    assert "Mountains at dawn" in titles
    assert "Not for viewer" not in titles
    page.click("text=Mountains at dawn")
    look(page)
    assert page.locator("main picture img").count() == 9
    assert page.evaluate(LOADED) >= 1
    assert page.evaluate("document.images[0].currentSrc").endswith(".avif")
    page.locator("main picture").first.click()
    look(page)
    assert page.locator("a[rel=next]").count() == 1
    page.click("a[rel=next]")
    look(page)


def test_anonymous__sees_only_what_is_public(page):
    page.goto("/")
    look(page)
    text = page.inner_text("main")
    assert "Postcards" in text
    assert "Mountains at dawn" not in text


def test_share_link__is_made_opened_and_revoked(page, chromium, site):
    log_in(page, "admin")
    page.click("text=Mountains at dawn")
    page.click("main >> text=Share")
    look(page)
    if not page.is_visible("[name=note]"):
        page.click("summary >> text=New share link")
    page.fill("[name=note]", "for Aunt Mary")
    page.fill("form.ia-form >> [name=password] >> nth=0", "open sesame")
    page.click("text=Make the link")
    look(page)
    url = page.input_value("#new-url")
    guest = chromium.new_context(viewport=page.viewport_size).new_page()
    guest.goto(url)
    assert "Mountains" not in guest.content()
    assert guest.evaluate("document.documentElement.scrollWidth") <= guest.viewport_size["width"]
    guest.fill("[name=password]", "wrong")
    guest.click("[type=submit]")
    assert guest.is_visible("[role=alert]")
    guest.fill("[name=password]", "open sesame")
    guest.click("[type=submit]")
    guest.wait_for_url("**/galleries/**")
    guest.wait_for_load_state("networkidle")
    assert guest.evaluate(BROKEN) == []
    assert guest.evaluate(LOADED) >= 1
    page.locator("li", has_text="for Aunt Mary").get_by_role("button", name="Revoke").first.click()
    page.wait_for_load_state("networkidle")
    assert page.is_visible("text=The link is revoked.")
    guest.goto(guest.url)
    guest.wait_for_url("**/login/**")
    guest.context.close()


def test_scripts_off__everything_works(chromium, site):
    context = chromium.new_context(java_script_enabled=False, base_url=site.url)
    page = context.new_page()
    log_in(page)
    page.click("text=Mountains at dawn")
    page.locator("main picture").first.click()
    assert page.locator("main picture img").count() >= 1
    context.close()


def test_admin__several_files_hang_in_a_gallery(chromium, site, tmp_path):
    """A person with a browser without scripts: choose three files, one of them wrong."""
    names = ["one.jpg", "two.jpg"]
    for name in names:
        (tmp_path / name).write_bytes(noise())
    (tmp_path / "wrong.jpg").write_text("no picture")
    context = chromium.new_context(base_url=site.url, java_script_enabled=False)
    page = context.new_page()
    log_in(page, "editor")
    page.goto("/admin/images_app/image/add/")
    paths = [Path(tmp_path / name) for name in ("one.jpg", "wrong.jpg", "two.jpg")]
    page.set_input_files("[name=images]", paths)
    page.select_option("[name=gallery]", label="Postcards")
    page.click(".ia-up-form button[type=submit]")
    assert "2 images were added." in page.inner_text("body")
    assert "wrong.jpg: This is not an image" in page.inner_text("body")
    page.goto("/admin/images_app/image/")
    page.wait_for_load_state("networkidle")
    assert page.evaluate(BROKEN) == []
    context.close()
