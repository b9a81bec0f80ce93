"""The uploader in a real browser: hundreds of files at once, and all that people do to them."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Locator, Page, expect

from tests.browser.test_pages import BROKEN, SIZES
from tests.parts import ROOT, need
from tests.pictures import picture
from tests.project.test_csp_browser import WATCH, is_problem, log_in
from tests.wire.servers import Server, manage, serving

pytestmark = pytest.mark.slow
SCREENSHOTS = ROOT / "var" / "screenshots"
BAD = {
    "bad 1.jpg": (b"no picture", "This is not an image that can be read here"),
    "bad 2.jpg": (b"", "The file is empty"),
    "bad 3.png": (b"%PDF-1.7 and so on", "This is a PDF file, whatever its name says"),
    "bad 4 <img src=x onerror=alert(1)>.gif": (b"<html></html>", "This is a HTML file"),
    "bad 5.jpg": (picture(size=(900, 700))[:900], "The image is damaged or incomplete"),
}
GALLERIES = """
from django.contrib.auth import get_user_model
from images_app.models import Gallery
users = get_user_model().objects
someone = users.create_user("someone", password="demo-password")
editor = users.create_superuser("editor", password="demo-password")
Gallery.objects.create(title="Postcards", owner=editor)
titles = "Five hundred,Edited,Filled,Ordered,Broken,Twice,Folder,Pasted,Large,Plain,Looked at"
for title in titles.split(","):
    Gallery.objects.create(title=title, owner=someone)
"""
NAMES = """
from images_app.models import GalleryItem
import json
items = GalleryItem.objects.filter(gallery__title={title!r}).order_by("position", "id")
fields = ("file_name", "title", "alt_text", "focal_x", "focal_y", "version")
print(json.dumps([[getattr(item.image, name) for name in fields] for item in items]))
"""
# Files that an input outside the uploader holds, dropped or pasted as a person would.
HAND_OVER = """(kind) => {
  const transfer = new DataTransfer();
  for (const file of document.getElementById("outside").files) transfer.items.add(file);
  const target = document.querySelector("main, #content");
  const common = {bubbles: true, cancelable: true};
  target.dispatchEvent(kind === "drop"
    ? new DragEvent("drop", {...common, dataTransfer: transfer})
    : new ClipboardEvent("paste", {...common, clipboardData: transfer}));
}"""
OUTSIDE = """() => {
  const input = document.createElement("input");
  Object.assign(input, {type: "file", id: "outside", multiple: true});
  document.body.append(input);
}"""


def axe_source() -> str:
    """The text of axe-core: AXE_CORE, or that of the package axe-playwright-python."""
    found = os.environ.get("AXE_CORE", "")
    spec = find_spec("axe_playwright_python")
    if not found and spec is not None and spec.origin is not None:
        found = str(Path(spec.origin).parent / "axe.min.js")
    need("axe-core", is_there=Path(found).is_file())
    return Path(found).read_text()


@pytest.fixture(scope="module")
def var(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("uploading")
    manage(path, "migrate", "-v0")
    manage(path, "shell", "-c", GALLERIES)
    manage(path, "collectstatic", "--no-input", "-v0")
    return path


@pytest.fixture(scope="module")
def site(var) -> Iterator[Server]:
    with serving("gunicorn threads", var) as running:
        yield running


@pytest.fixture
def open_page(chromium, site):
    """Open a page that remembers what goes wrong on it."""
    opened = []

    def open_one(size="desk", theme="light", **options) -> Page:
        width, height = SIZES[size]
        viewport = {"width": width, "height": height}
        context = chromium.new_context(
            base_url=site.url, viewport=viewport, color_scheme=theme, **options
        )
        page = context.new_page()
        page.add_init_script(WATCH)
        page.problems = []
        page.on("console", lambda m: page.problems.append(m.text) if is_problem(m) else None)
        page.on("pageerror", lambda error: page.problems.append(str(error)))
        opened.append(page)
        return page

    yield open_one
    for page in opened:
        assert page.problems == []
        page.context.close()


@pytest.fixture
def page(open_page) -> Page:
    return open_page()


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """Make so many different small photographs, none of which was made before."""
    folder, made = tmp_path_factory.mktemp("pictures"), iter(range(10_000))

    def make(number: int, size=(360, 240), **save) -> list[Path]:
        return [_make(folder, next(made), size, **save) for _ in range(number)]

    return make


def _make(folder: Path, number: int, size, **save) -> Path:
    path = folder / f"picture {number:04}.jpg"
    image = Image.linear_gradient("L").resize(size).convert("RGB")
    tint = Image.new("RGB", size, tuple(number * step % 256 for step in (37, 91, 53)))
    image = Image.blend(image, tint, 0.6)
    # Its number in binary, so that no two files have the same bytes.
    for bit in range(12):
        if number >> bit & 1:
            left = size[0] * bit // 12
            image.paste((20, 30, 60), (left, size[1] // 2, left + size[0] // 14, size[1] * 3 // 4))
    image.save(path, quality=85, **save)
    return path


def visit(page: Page, title: str, name: str = "someone", link: str = "Add images") -> None:
    if not page.context.cookies():
        log_in(page, name)
        page.wait_for_url("**/")
    page.goto("/")
    page.click(f"main >> text={title}")
    page.click(f"main >> text={link}")
    page.wait_for_load_state("load")  # with its modules


def choose(page: Page, files: list[Path]) -> None:
    page.set_input_files("[name=images]", files)


def hand_over(page: Page, files: list[Path], kind: str = "drop") -> None:
    page.evaluate(OUTSIDE)
    page.set_input_files("#outside", files)
    page.evaluate(HAND_OVER, kind)
    page.evaluate("document.getElementById('outside').remove()")


def wait(page: Page, number: int, timeout: float = 30) -> None:
    expect(page.locator("[data-up=summary]")).to_have_text(
        f"Finished. Uploaded: {number}", timeout=timeout * 1000
    )


def wait_until_saved(page: Page) -> None:
    expect(page.locator("[data-up=saving]")).to_have_attribute("data-state", "saved")


def cards(page: Page) -> Locator:
    return page.locator("[data-up=list] > li:visible")


def problems(page: Page) -> Locator:
    return page.locator("[data-up=problem-list] > li")


def kept(var: Path, title: str) -> list[list]:
    return json.loads(manage(var, "shell", "-v0", "-c", NAMES.format(title=title)))


def longest_task(trace: bytes) -> float:
    """The milliseconds of processor time of the longest task that held up the page.

    Not of the clock: what else runs on this machine holds up the page, too.
    """
    events = json.loads(trace)["traceEvents"]
    main = {
        (event["pid"], event["tid"])
        for event in events
        if event["name"] == "thread_name" and event["args"]["name"] == "CrRendererMain"
    }
    tasks = [e for e in events if (e["pid"], e["tid"]) in main and e["name"].endswith("RunTask")]
    assert len(tasks) > 1000
    longest = max(task.get("tdur", 0) for task in tasks) / 1000
    print("longest", longest)
    return longest


def test_500_files__dropped_at_once_arrive_in_order(page, chromium, pictures, var, tmp_path):
    good = pictures(495)
    files = list(good)
    for number, (name, (content, _reason)) in enumerate(BAD.items()):
        path = tmp_path / name.replace("/", "_")
        path.write_bytes(content)
        files.insert(number * 100 + 50, path)
    visit(page, "Five hundred")
    chromium.start_tracing(page=page, categories=["toplevel"])
    hand_over(page, files)
    expect(page.locator("[data-up=progress]")).to_be_visible()
    # Meanwhile somebody describes the first one.
    first = cards(page).first.locator("textarea")
    first.fill("Stripes", timeout=10_000)
    wait_until_saved(page)
    assert page.locator("[data-up=cancel-all]").is_visible()
    page.screenshot(path=SCREENSHOTS / "500-running.png")
    wait(page, 495, timeout=120)
    assert longest_task(chromium.stop_tracing()) < 100
    page.screenshot(path=SCREENSHOTS / "500-finished.png")
    assert [path.name for path in good] == [name for name, *_ in kept(var, "Five hundred")]
    shown = page.locator("[data-up=list] > li:visible [data-part=name]").all_text_contents()
    assert shown == [path.name for path in good]
    assert problems(page).count() == len(BAD)
    for line, (name, (_content, reason)) in zip(
        problems(page).all_inner_texts(), BAD.items(), strict=True
    ):
        assert name in line
        assert reason in line
    expect(page.locator("[data-up=tools]")).to_contain_text("Alternative text is missing: 494")
    assert kept(var, "Five hundred")[0][2] == "Stripes"


def test_images__are_described(page, pictures, var):
    files = pictures(6)
    visit(page, "Edited")
    choose(page, files)
    wait(page, 6)
    # A click on the picture sets the focal point, arrow keys move it.
    focal = cards(page).nth(0).locator("[data-part=focal]")
    focal.locator("img").evaluate("image => image.complete || image.decode()")
    box = focal.bounding_box()
    focal.click(position={"x": box["width"] * 0.25, "y": box["height"] * 0.75})
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Shift+ArrowUp")
    # One text for a range of them.
    boxes = page.locator("[data-part=select]")
    boxes.nth(1).check()
    boxes.nth(3).click(modifiers=["Shift"])
    expect(page.locator("[data-up=bulk]")).to_contain_text("Selected: 3")
    page.fill("[data-up=bulk-text]", "Stripes of light")
    with page.expect_request("**/images/edit/") as edited:
        page.click("text=Set for all")
    assert len(json.loads(edited.value.post_data)["images"]) >= 3
    page.click("text=Select none")
    expect(page.locator("[data-up=tools]")).to_contain_text("Alternative text is missing: 3")
    page.click("[data-filter=missing]")
    expect(cards(page)).to_have_count(3)
    page.click("[data-filter=all]")
    cards(page).nth(5).get_by_label("Title").fill("The last")
    wait_until_saved(page)
    rows = kept(var, "Edited")
    texts = ["", "Stripes of light", "Stripes of light", "Stripes of light", "", ""]
    assert [row[2] for row in rows] == texts
    assert rows[5][1] == "The last"
    assert rows[0][3:5] == pytest.approx([0.3, 0.74], abs=0.02)


def test_text_for_all__erases_nothing_unasked(page, pictures, var):
    visit(page, "Filled")
    choose(page, pictures(4))
    wait(page, 4)
    boxes, text = page.locator("[data-part=select]"), page.locator("[data-up=bulk-text]")
    missing, everything = page.locator("[data-filter=missing]"), page.locator("[data-filter=all]")
    replace = page.get_by_role("button", name="Replace all")
    cards(page).first.get_by_label("Alternative text").fill("Written by hand")
    for number in (0, 1):
        boxes.nth(number).check()
    expect(page.locator("[data-up=filled]")).to_have_text("Have a text already: 1")
    for nothing in ("", " "):
        text.fill(nothing)
        replace.click()
    text.fill("Shade")
    page.click("text=Fill the empty ones")
    expect(missing).to_have_text("Alternative text is missing: 2")
    page.click("text=Fill the empty ones")  # there is none: what is left is to replace
    expect(replace).to_be_focused()
    boxes.nth(0).uncheck()
    text.fill("Night")
    replace.click()
    # What a filter takes out of sight is selected no longer.
    boxes.nth(2).check()
    expect(page.locator("[data-up=selected]")).to_have_text("Selected: 2")
    missing.click()
    expect(page.locator("[data-up=selected]")).to_have_text("Selected: 1")
    expect(page.locator("[data-up=none]")).to_be_hidden()
    text.fill("Dots")
    page.click("text=Set for all")
    everything.click()
    cards(page).last.get_by_label("Alternative text").fill("Sky")
    missing.click()
    expect(cards(page)).to_have_count(0)
    expect(page.get_by_text("None is missing.")).to_be_visible()
    wait_until_saved(page)
    assert [row[2] for row in kept(var, "Filled")] == ["Written by hand", "Night", "Dots", "Sky"]


def test_images__are_ordered_and_arranged_later(page, pictures, var):
    files = pictures(6)
    visit(page, "Ordered")
    choose(page, files)
    wait(page, 6)
    # By keys: the last to the front, then one place back.
    button = cards(page).nth(5).locator("[data-move='-1']")
    button.focus()
    page.keyboard.press("Alt+Home")
    page.keyboard.press("Alt+ArrowRight")
    assert "picture" in page.evaluate("document.activeElement.closest('[role=group]').ariaLabel")
    expect(page.locator("[data-up=live]")).to_contain_text("now at place 2 of 6")
    # By hand: the one that is third now to the end.
    handle, target = cards(page).nth(2).locator("[data-part=handle]"), cards(page).nth(5)
    handle.hover()
    page.mouse.down()
    end = target.bounding_box()
    page.mouse.move(end["x"] + end["width"] / 2, end["y"] + 40, steps=8)
    page.wait_for_timeout(100)
    page.mouse.up()
    # By a button.
    cards(page).nth(0).locator("[data-move='1']").click()
    wait_until_saved(page)
    order = [files[number].name for number in (5, 0, 2, 3, 4, 1)]
    assert [row[0] for row in kept(var, "Ordered")] == order
    # The page of arranging has it all, in the same order.
    page.click("text=Arrange")
    expect(cards(page)).to_have_count(6)
    assert cards(page).locator("[data-part=name]").all_inner_texts() == order
    expect(page.locator("[data-up=tools]")).to_contain_text("Alternative text is missing: 6")
    cards(page).nth(1).locator("textarea").fill("Written later")
    wait_until_saved(page)
    assert kept(var, "Ordered")[1][2] == "Written later"
    page.reload()
    expect(cards(page).nth(1).locator("textarea")).to_have_value("Written later")
    assert page.locator("form:visible").count() <= 2  # the one without a script is gone


def test_failures__are_cancelled_and_tried_again(page, pictures, var):
    files = pictures(8)
    visit(page, "Broken")
    page.route("**/images/upload/?*", lambda route: route.abort())
    choose(page, files)
    expect(cards(page).first).to_contain_text("Interrupted")
    cards(page).last.get_by_role("button", name="Cancel").click()
    expect(problems(page)).to_have_count(1)
    assert "Cancelled." in problems(page).inner_text()
    page.click("text=Cancel all")
    expect(problems(page)).to_have_count(8)
    assert [text.split("\n")[0][:16] for text in problems(page).all_inner_texts()] == [
        path.name for path in files
    ]
    assert kept(var, "Broken") == []
    page.unroute("**/images/upload/?*")
    problems(page).nth(3).get_by_role("button", name="Try again").click()
    wait(page, 1)
    assert page.evaluate("document.activeElement.tagName") == "BUTTON"
    page.click("text=Try all again")
    wait(page, 8)
    assert page.locator("[data-up=problems]").is_hidden()
    assert [name for name, *_ in kept(var, "Broken")] == [path.name for path in files]


def test_failure__of_the_server_is_told_and_overcome(page, pictures, var, tmp_path):
    """One that passes is waited out; one that stays is told, and tried again by hand."""
    before = len(kept(var, "Broken"))
    visit(page, "Broken")
    # What is no image will never be one.
    bad = tmp_path / "bad.jpg"
    bad.write_text("no picture")
    choose(page, [bad])
    expect(problems(page)).to_have_count(1)
    expect(problems(page).get_by_role("button")).to_have_text(["Leave out"])
    expect(page.get_by_role("button", name="Try all again")).to_be_hidden()
    answers = [503, 0, 500]

    def fail(route):
        status = answers.pop(0) if answers else None
        if status is None:
            route.continue_()
        elif status == 0:
            route.abort()
        else:
            route.fulfill(status=status, body="<h1>oh</h1>", content_type="text/html")

    page.route("**/images/upload/?*", fail)
    choose(page, pictures(1))
    expect(problems(page)).to_have_count(2, timeout=10_000)
    assert answers == []
    assert "The server could not take it" in problems(page).last.inner_text()
    expect(problems(page).get_by_role("button", name="Try again")).to_have_count(1)
    with page.expect_request("**/images/upload/?*") as sent:
        page.get_by_role("button", name="Try all again").click()
    assert b"bad.jpg" not in (sent.value.post_data_buffer or b"")
    wait(page, 1)
    expect(problems(page)).to_have_count(1)
    assert len(kept(var, "Broken")) == before + 1


def test_duplicates__are_shown_with_a_choice(page, pictures, var):
    files = pictures(5)
    visit(page, "Twice")
    choose(page, files)
    wait(page, 5)
    choose(page, [*files, *pictures(1)])
    wait(page, 6)
    expect(problems(page)).to_have_count(5)
    assert "is there already" in problems(page).first.inner_text()
    assert "It is in this gallery." in problems(page).first.inner_text()
    assert problems(page).first.locator("img").evaluate("image => image.naturalWidth") > 0
    problems(page).nth(0).get_by_role("button", name="Add again").click()
    wait(page, 7)
    problems(page).nth(0).get_by_role("button", name="Leave out").click()
    expect(problems(page)).to_have_count(3)
    page.locator("[data-all=use]").click()
    expect(problems(page)).to_have_count(0)
    wait(page, 7)  # those used hang there already, and are shown once
    expect(page.locator("[data-up=used]")).to_have_text("Used, for they were there already: 3")
    names = [name for name, *_ in kept(var, "Twice")]
    assert len(names) == 7
    assert names.count(files[0].name) == 2


def test_folder__is_dropped_and_taken_by_name(page, pictures, var, tmp_path):
    """By the browser's own drop: scripts cannot make one of a folder."""
    folder = tmp_path / "trip"
    (folder / "day 10").mkdir(parents=True)
    (folder / "day 2").mkdir()
    names = ["day 10/a.jpg", "day 2/b 10.jpg", "day 2/b 9.jpg", "z.jpg"]
    for path, name in zip(pictures(4), names, strict=True):
        (folder / name).write_bytes(path.read_bytes())
    (folder / "notes.txt").write_text("no picture")
    (folder / ".hidden").write_text("no picture")
    visit(page, "Folder")
    session = page.context.new_cdp_session(page)
    data = {"items": [], "files": [str(folder)], "dragOperationsMask": 1}
    for kind in ("dragEnter", "dragOver", "drop"):
        session.send("Input.dispatchDragEvent", {"type": kind, "x": 200, "y": 300, "data": data})
        if kind == "dragOver":
            expect(page.locator(".ia-up-over")).to_have_count(1)
    wait(page, 4)
    assert page.locator(".ia-up-over").count() == 0
    assert [name for name, *_ in kept(var, "Folder")] == ["b 9.jpg", "b 10.jpg", "a.jpg", "z.jpg"]


def test_pasted_files__get_a_name(page, pictures, var, tmp_path):
    path = tmp_path / "image.png"
    Image.open(pictures(1)[0]).save(path)
    visit(page, "Pasted")
    hand_over(page, [path], "paste")
    wait(page, 1)
    assert kept(var, "Pasted")[0][0].startswith("Pasted ")


def test_large_file__resumes_where_it_was_broken_off(page, var, tmp_path):
    size = 12 * 2**20
    path = tmp_path / "large.jpg"
    # Bytes after the picture's end, which no viewer minds.
    content = picture(size=(1200, 900))
    path.write_bytes(content + random.Random(1).randbytes(size - len(content)))
    visit(page, "Large")
    parts = []

    def pass_on(route):
        if route.request.method == "PATCH":
            parts.append(route.request.headers["upload-offset"])
            if len(parts) == 2:
                return route.abort()
        return route.continue_()

    page.route("**/uploads/**", pass_on)
    choose(page, [path])
    wait(page, 1)
    assert parts == ["0", str(5 * 2**20), str(5 * 2**20), str(10 * 2**20)]
    assert kept(var, "Large")[0][0] == "large.jpg"


def test_leaving__is_warned_of_while_files_are_under_way(page, pictures):
    visit(page, "Large")
    page.route("**/images/upload/?*", lambda route: route.abort())
    choose(page, pictures(1))
    page.click("h1")  # browsers ask only for those who have done something here
    asked = []
    page.once("dialog", lambda dialog: (asked.append(dialog.type), dialog.accept()))
    page.goto("/")
    assert asked == ["beforeunload"]


def test_admin__uploads_into_the_chosen_gallery(page, pictures, var):
    log_in(page, "editor")
    page.wait_for_url("**/")
    page.goto("/admin/images_app/image/add/")
    page.select_option("[name=gallery]", label="Postcards")
    files = pictures(4)
    hand_over(page, files)
    wait(page, 4)
    assert [name for name, *_ in kept(var, "Postcards")] == [path.name for path in files]
    cards(page).nth(3).locator("[data-move='-1']").click()
    wait_until_saved(page)
    expect(page.locator("[data-up=live]")).to_contain_text("now at place 3 of 4")
    page.select_option("[name=gallery]", value="")
    choose(page, pictures(1))
    wait(page, 5)
    assert cards(page).nth(4).locator("[data-part=moves]").is_hidden()
    assert len(kept(var, "Postcards")) == 4


def test_scripts_off__files_are_added_and_arranged(open_page, pictures, var, tmp_path):
    page = open_page(java_script_enabled=False)
    bad = tmp_path / "bad.jpg"
    bad.write_text("no picture")
    visit(page, "Plain")
    page.set_input_files("[name=images]", [*pictures(2), bad])
    page.click("button >> text=Add images")
    assert "2 images were added." in page.inner_text("main")
    assert "bad.jpg: This is not an image" in page.inner_text("main")
    page.screenshot(path=SCREENSHOTS / "plain-add.png")
    page.click("main >> text=Arrange")
    expect(page.get_by_label("Position")).to_have_count(2)
    first, second = page.get_by_label("Position").all()
    first.fill("30")
    page.get_by_label("Alternative text").nth(1).fill("Written by hand")
    page.screenshot(path=SCREENSHOTS / "plain-arrange.png")
    page.get_by_role("button", name="Save", exact=True).click()
    assert "Everything is saved." in page.inner_text("main")
    rows = kept(var, "Plain")
    assert [row[2] for row in rows] == ["Written by hand", ""]
    assert second.input_value() == "30"


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("size", SIZES)
def test_looks__fit_and_are_accessible(open_page, pictures, tmp_path, theme, size):
    axe, bad = axe_source(), tmp_path / "no picture.jpg"
    bad.write_text("no picture")
    page = open_page(size, theme, bypass_csp=True, has_touch=size == "phone")
    files = [*pictures(3, (1200, 800)), *pictures(2, (700, 1000)), *pictures(2, (1600, 700))]
    for name, door, title in (
        ("someone", "add", "Looked at"),
        ("editor", "admin", ""),
        ("someone", "arrange", "Looked at"),
    ):
        page.context.clear_cookies()
        if door == "admin":
            log_in(page, name)
            page.goto("/admin/images_app/image/add/")
        else:
            visit(page, title, name, "Add images" if door == "add" else "Arrange")
        where = f"{door}-{theme}-{SIZES[size][0]}"
        page.wait_for_load_state("networkidle")
        if door != "arrange":
            page.screenshot(path=SCREENSHOTS / f"{where}-1-empty.png")
            assert page.locator("[data-up=lead]").is_visible() == (size == "desk")
            choose(page, [*files[:3], bad, *files[3:]])
            expect(page.locator("[data-up=summary]")).to_contain_text("Finished")
        page.wait_for_load_state("networkidle")
        assert page.evaluate("document.documentElement.scrollWidth") <= SIZES[size][0]
        page.screenshot(path=SCREENSHOTS / f"{where}-2.png", full_page=True)
        if cards(page).count() > 1:
            cards(page).first.get_by_label("Alternative text").fill("Lines")
            boxes = page.locator("[data-part=select]:visible")
            boxes.nth(0).check()
            boxes.nth(1).check()
            page.wait_for_timeout(50)
            page.screenshot(path=SCREENSHOTS / f"{where}-3-selected.png")
        assert page.evaluate(BROKEN) == []
        assert page.evaluate("document.documentElement.scrollWidth") <= SIZES[size][0]
        page.evaluate(axe)
        found = page.evaluate("axe.run('.ia-up, main')")
        assert [(v["id"], v["nodes"][0]["html"]) for v in found["violations"]] == []
