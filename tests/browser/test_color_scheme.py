"""Colours are those of the page around: what is read has contrast on any host, in any system."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.test_uploading import GALLERIES, choose
from tests.pictures import picture
from tests.project.test_csp_browser import log_in
from tests.wire.servers import Server, manage, serving

pytestmark = pytest.mark.slow
META = re.compile(r'<meta name="color-scheme"[^>]*>')
# What a host's own pages say, in the place of ours.
HOSTS = {
    "says nothing": ("", "body { background: #fff; color: #222 }"),
    "light": ("", "html { color-scheme: light } body { background: #fff; color: #222 }"),
    "both": (
        '<meta name="color-scheme" content="light dark">',
        "body { background: canvas; color: canvastext }",
    ),
    "dark": ("", "html { color-scheme: dark; background: #111; color: #eee }"),
    "light with a dark part": (
        "",
        (
            "body { background: #fff; color: #222 }"
            "main { color-scheme: dark; background: #111; color: #eee }"
        ),
    ),
}
IS_DARK = {
    "says nothing": {"light": False, "dark": False},
    "light": {"light": False, "dark": False},
    "both": {"light": False, "dark": True},
    "dark": {"light": True, "dark": True},
    "light with a dark part": {"light": True, "dark": True},
}
# All texts that are seen, with their contrast (WCAG 2.2, 1.4.3) to what is painted behind them.
CONTRASTS = """() => {
  const canvas = document.createElement("canvas");
  const context = canvas.getContext("2d", {willReadFrequently: true});
  canvas.width = canvas.height = 1;
  const paint = colors => {
    context.clearRect(0, 0, 1, 1);
    for (const color of colors) { context.fillStyle = color; context.fillRect(0, 0, 1, 1); }
    return [...context.getImageData(0, 0, 1, 1).data];
  };
  const probe = document.createElement("p");
  probe.style.backgroundColor = "canvas";
  document.documentElement.append(probe);
  const below = getComputedStyle(probe).backgroundColor;
  probe.remove();
  const backgrounds = element => {
    const found = [];
    for (let one = element; one; one = one.parentElement)
      found.unshift(getComputedStyle(one).backgroundColor);
    return [below, ...found];
  };
  const part = value => value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  const luminance = ([r, g, b]) =>
    0.2126 * part(r / 255) + 0.7152 * part(g / 255) + 0.0722 * part(b / 255);
  const found = [];
  const walker = document.createTreeWalker(document.querySelector("main"), NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement, text = walker.currentNode.data.trim();
    if (!text || element.getBoundingClientRect().width < 4) continue;
    if (!element.checkVisibility() || element.closest("option, :disabled")) continue;
    const behind = backgrounds(element);
    const [one, other] = [
      luminance(paint(behind)), luminance(paint([...behind, getComputedStyle(element).color]))
    ].sort((a, b) => b - a);
    found.push([(one + 0.05) / (other + 0.05), text.slice(0, 40), element.className]);
  }
  return found;
}"""
IS_LIGHT = """([selector, isLight]) => {
  const [r, g, b, alpha = 1] = getComputedStyle(document.querySelector(selector)).backgroundColor
    .match(/[0-9.]+/g).map(Number);
  return alpha > 0 && (r + g + b) / 3 > 128 === isLight;
}"""


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Iterator[Server]:
    var = tmp_path_factory.mktemp("colors")
    manage(var, "migrate", "-v0")
    manage(var, "shell", "-c", GALLERIES)
    manage(var, "collectstatic", "--no-input", "-v0")
    with serving("gunicorn threads", var) as running:
        yield running


@pytest.fixture(scope="module")
def session(chromium, site) -> dict:
    """The cookies of who may do everything."""
    context = chromium.new_context(base_url=site.url)
    page = context.new_page()
    log_in(page, "someone")
    page.wait_for_url("**/")
    state = context.storage_state()
    context.close()
    return state


def as_host(page: Page, host: str) -> None:
    """Make the pages those of a host with a body of its own."""
    meta, style = HOSTS[host]

    def answer(route):
        response = route.fetch()
        text = META.sub("", response.text())
        text = text.replace("</head>", f"{meta}<style>{style}</style></head>")
        route.fulfill(response=response, body=text.replace('class="ia-body"', ""))

    page.route(lambda url: "/static/" not in url and "/renditions/" not in url, as_page(answer))


def as_page(answer):
    def handle(route):
        if route.request.resource_type == "document" and route.request.method == "GET":
            answer(route)
        else:
            route.continue_()

    return handle


@pytest.mark.parametrize("system", ["dark", "light"])
@pytest.mark.parametrize("host", HOSTS)
def test_texts__have_contrast(chromium, site, session, host, system, tmp_path):
    context = chromium.new_context(
        base_url=site.url, color_scheme=system, storage_state=session, bypass_csp=True
    )
    page = context.new_page()
    as_host(page, host)
    file = Path(tmp_path, "cat.jpg")
    file.write_bytes(picture(size=(400, 300)))
    page.goto("/")
    check(page)
    page.click("main >> text=Looked at")
    check(page)
    page.click("main >> text=Share")
    check(page)
    await_ground(page, ".ia-button-primary", is_light=IS_DARK[host][system])
    page.go_back()
    page.click("main >> text=Add images")
    check(page)
    await_ground(page, "[data-up=drop]", is_light=not IS_DARK[host][system])
    choose(page, [file])
    expect(page.locator("[data-up=summary]")).to_contain_text("Finished")
    check(page)
    context.close()


def await_ground(page: Page, selector: str, *, is_light: bool) -> None:
    """Wait until something has its colour, which a page that still loads has not."""
    page.wait_for_function(IS_LIGHT, arg=[selector, is_light], timeout=10_000)


def check(page: Page) -> None:
    found = page.evaluate(CONTRASTS)
    assert found
    assert [each for each in found if each[0] < 4.5] == [], page.url
