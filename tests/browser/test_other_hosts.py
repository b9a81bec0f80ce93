"""The uploader where static files have hashed names only, and CSRF a header of the host's own."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.test_uploading import GALLERIES, cards, choose, visit, wait, wait_until_saved
from tests.pictures import picture
from tests.project.test_csp_browser import WATCH, is_problem
from tests.wire.servers import manage, serving

pytestmark = pytest.mark.slow
SETTINGS = "tests.wire.settings.hashed_only"


def test_uploader__lives_with_hashed_names_and_another_csrf_header(chromium, tmp_path):
    var = tmp_path / "var"
    manage(var, "migrate", "-v0", settings=SETTINGS)
    manage(var, "shell", "-c", GALLERIES, settings=SETTINGS)
    manage(var, "collectstatic", "--no-input", "-v0", settings=SETTINGS)
    assert not (var / "static/images_app/uploads.js").exists()
    files = [tmp_path / f"{name}.jpg" for name in ("first", "second")]
    for number, file in enumerate(files):
        file.write_bytes(picture(color=(number * 90, 80, 90)))
    with serving("gunicorn threads", var, SETTINGS) as site:
        page = chromium.new_context(base_url=site.url).new_page()
        page.add_init_script(WATCH)
        problems = []
        page.on("console", lambda said: problems.append(said.text) if is_problem(said) else None)
        page.on("pageerror", lambda error: problems.append(str(error)))
        visit(page, "Edited")
        choose(page, files)
        wait(page, 2)
        cards(page).first.get_by_label("Alternative text").fill("A wall")
        wait_until_saved(page)
        cards(page).nth(1).locator("[data-move='-1']").click()
        wait_until_saved(page)
        page.reload()
        page.goto(page.url.replace("/add/", "/arrange/"))
        expect(cards(page)).to_have_count(2)
        expect(cards(page).nth(1).get_by_label("Alternative text")).to_have_value("A wall")
        assert problems == []
        page.context.close()
