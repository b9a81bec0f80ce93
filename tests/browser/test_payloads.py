"""Files that are images and scripts at once: whatever a page does with them, no script runs.

The corpus lies beside the repository (``../shared/corpus``), or where IMAGES_CORPUS points.
"""

from __future__ import annotations

import contextlib
import csv
import html
import http.server
import io
import json
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Browser, BrowserContext, Error, Page, Route

from tests.browser.chromium import launched
from tests.parts import CORPUS, need
from tests.storages.s3server import s3_server
from tests.wire.nginx import MODES, behind_nginx
from tests.wire.servers import manage, serving
from tests.wire.test_nginx import SETTINGS
from tests.wire.test_servers import Browser as Client

pytestmark = pytest.mark.slow
PAYLOAD = b"window.__pwned=1;alert(1)"
ON_S3 = "tests.wire.settings.upstream"
TRANSPORTS = ("streaming", *MODES, "redirect", "uvicorn")
# Lets in everything of a folder, twice: for who is invited, and for everyone. The formats that
# a host may let in besides are in the second half of the answer.
FILL = """
import json
from pathlib import Path
from django.contrib.auth import get_user_model
from django.core.files import File
from django.test import override_settings
from images_app.exceptions import UploadRefused
from images_app.ingest import ingest_image
from images_app.models import Gallery

owner = get_user_model().objects.create_superuser("editor", "", "demo-password")

def let_in(visibility):
    gallery, said = Gallery.objects.create(title="x", visibility=visibility, owner=owner), {}
    for path in sorted(Path(FOLDER).iterdir()):
        try:
            with path.open("rb") as opened:
                file = File(opened, name=path.name)
                image = ingest_image(file, owner=owner, gallery=gallery)
            said[path.name] = [image.get_absolute_url(), image.original_url]
        except UploadRefused as refusal:
            said[path.name] = refusal.code
    return said

said = {"by default": let_in("private")}
formats = ("jpeg", "png", "gif", "webp", "avif", "bmp", "tiff")
with override_settings(IMAGES_APP={"FORMATS": formats}):
    said |= {name: let_in(name) for name in ("private", "public")}
print(json.dumps(said))
"""
# All that a page can do with URLs. Answers with how many images it could show.
EMBED = """async ([urls, ways]) => {
  document.body.replaceChildren();
  const waiting = urls.flatMap(url => ways.map(way => new Promise(done => {
    const [name, attribute, type] = way.split(" ");
    const element = document.createElement(name);
    if (type) element.type = type;
    element.onload = element.onerror = () => done();
    setTimeout(done, name === "img" ? 30000 : 3000);  // images always tell, however late
    element[attribute] = url;
    document.body.append(element);
  })));
  await Promise.all(waiting);
  return [...document.images].filter(image => image.naturalWidth).length;
}"""
WAYS = (
    "script src",
    "img src",
    "object data",
    "object data text/html",
    "embed src",
    "embed src text/html",
    "iframe src",
)
# In every frame, before all else: whoever sets it is heard in the console. (A frame whose scripts
# are off cannot be asked: Playwright waits for ever.)
WATCH = """Object.defineProperty(window, "__pwned", {
  set() { window.ran = true; console.warn("a payload ran in " + location); },
});"""
# What the browser says when it refuses; all else is said by a payload, or about one that ran.
REFUSALS = re.compile(
    r"Applying inline style violates |Refused to |Failed to load |Access to script at "
    r"|.*'X-Frame-Options' to 'deny'"
)


@dataclass(frozen=True)
class Site:
    """A server, and where it has the payloads: file name to URL."""

    url: str
    cookies: dict[str, str]
    originals: dict[str, str]
    renditions: dict[str, str]


class Watched:
    """A page, and all that a payload could have done in it."""

    def __init__(self, context: BrowserContext) -> None:
        self.page: Page = context.new_page()
        self.dialogs: list[str] = []
        self.said: list[str] = []
        self.page.add_init_script(WATCH)
        self.page.on("dialog", self._dismiss)
        self.page.on("pageerror", lambda error: self.said.append(f"an error: {error}"))
        self.page.on("console", lambda message: self.said.append(message.text))

    def _dismiss(self, dialog) -> None:
        self.dialogs.append(dialog.message)
        dialog.dismiss()

    def signs(self) -> dict[str, object]:
        """What tells that a script ran; all of it empty if none did."""
        self.page.wait_for_timeout(50)  # a dialog may be on its way
        return {
            "ran": bool(self.page.evaluate("window.ran")),
            "dialogs": self.dialogs,
            "console": [text for text in self.said if not REFUSALS.match(text)],
        }


NOTHING = {"ran": False, "dialogs": [], "console": []}


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """The corpus' files that are two things at once, and one that is valid as a script."""
    need("the corpus", is_there=(CORPUS / "MANIFEST.tsv").exists())
    folder = tmp_path_factory.mktemp("payloads")
    for path in (CORPUS / "polyglot").iterdir():
        (folder / path.name).symlink_to(path)
    (folder / "made__gif_and_script.gif").write_bytes(gif_and_script())
    return folder


def gif_and_script() -> bytes:
    """Make a GIF that is valid JavaScript: GIF89a/* ... */=1; and the payload.

    Its width is what is spelled `/*`, and a comment extension ends what that began.
    """
    buffer = io.BytesIO()
    Image.new("P", (int.from_bytes(b"/*", "little"), 2)).save(buffer, "GIF")
    image = buffer.getvalue()
    assert image[6:8] == b"/*"
    assert b"*/" not in image
    script = b"*/=1;" + PAYLOAD + b"//"
    return image[:-1] + b"!\xfe" + bytes([len(script)]) + script + b"\0;"


def fill(var: Path, folder: Path, settings: str = "project.settings") -> dict:
    """Make a site with the payloads, and answer with what became of each."""
    manage(var, "migrate", "-v0", settings=settings)
    manage(var, "collectstatic", "--no-input", "-v0", settings=settings)
    script = FILL.replace("FOLDER", repr(str(folder)))
    return json.loads(manage(var, "shell", "-v0", "-c", script, settings=settings))


@pytest.fixture(scope="module")
def local(folder, tmp_path_factory) -> tuple[Path, dict]:
    var = tmp_path_factory.mktemp("site")
    return var, fill(var, folder)


@contextlib.contextmanager
def transport(name: str, local: tuple[Path, dict], folder: Path, tmp: Path) -> Iterator[tuple]:
    """Serve the payloads in one way: the server's URL, and what became of each payload."""
    var, verdicts = local
    with contextlib.ExitStack() as stack:
        if name in MODES:
            django = stack.enter_context(serving("gunicorn threads", var, SETTINGS[name][0]))
            front = behind_nginx(tmp / "nginx", name, private=var / "private", upstream=django)
            server = stack.enter_context(front)
        elif name == "redirect":
            endpoint = stack.enter_context(s3_server(tmp / "buckets"))
            patch = stack.enter_context(pytest.MonkeyPatch.context())
            patch.setenv("WIRE_S3_OPTIONS", json.dumps(endpoint.options))
            patch.setenv("WIRE_DELIVERY", "Redirect")
            (tmp / "var").mkdir()
            verdicts = fill(tmp / "var", folder, ON_S3)
            server = stack.enter_context(serving("gunicorn threads", tmp / "var", ON_S3))
        else:
            command = "uvicorn" if name == "uvicorn" else "gunicorn threads"
            server = stack.enter_context(serving(command, var))
        yield server.url, verdicts


@pytest.fixture(scope="module", params=TRANSPORTS)
def site(request, local, folder, tmp_path_factory) -> Iterator[Site]:
    tmp = tmp_path_factory.mktemp("transport")
    (tmp / "nginx").mkdir()
    with transport(request.param, local, folder, tmp) as (url, verdicts):
        client = Client(url)
        client.log_in("editor")
        originals, renditions = {}, {}
        for visibility in ("private", "public"):
            for name, found in verdicts[visibility].items():
                if isinstance(found, list):
                    originals[f"{visibility} {name}"] = url + found[1]
                    renditions[f"{visibility} {name}"] = url + rendition_of(client, found[0])
        yield Site(url, client.cookies, originals, renditions)


def rendition_of(client: Client, page: str) -> str:
    """The URL of a rendition, as an image's page has it; it is made, so that nginx finds it."""
    found = re.findall(r"[^\s\",]*/renditions/[^\s\",]+", client.ask("GET", page)[2].decode())
    url = html.unescape(found[-1])
    status, _, content = client.ask("GET", url)
    assert status in {200, 302}
    assert b"__pwned" not in content
    return url


@pytest.fixture(params=["original", "rendition"])
def payloads(request, site) -> dict[str, str]:
    return site.originals if request.param == "original" else site.renditions


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    # Or each sandboxed frame would have a process of its own.
    # The second takes a page that a route has let through for one from far away.
    with launched("--disable-features=IsolateSandboxedIframes,LocalNetworkAccessChecks") as browser:
        yield browser


@pytest.fixture
def watched(chromium, request) -> Iterator[Watched]:
    """A page of a browser of its own, which is logged in where there is a login."""
    with contextlib.closing(chromium.new_context()) as context:
        if "site" in request.fixturenames:
            site = request.getfixturevalue("site")
            context.add_cookies(
                [{"name": k, "value": v, "url": site.url} for k, v in site.cookies.items()]
            )
        yield Watched(context)


@pytest.fixture(scope="module")
def naive(folder) -> Iterator[str]:
    """Another origin, of the same site, whose server says of everything that it is HTML."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            file = next(folder.glob(f"{self.path[1:]}*"), None)  # with its ending or without
            content = file.read_bytes() if file else b"<!doctype html><body>"
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=latin-1")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *args):
            """Say nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_corpus__is_let_in_and_refused_as_the_manifest_says(local):
    """And whatever the manifest leaves open is refused, until a host wants the format."""
    verdicts = local[1]
    with (CORPUS / "MANIFEST.tsv").open() as manifest:
        rows = csv.DictReader(manifest, delimiter="\t")
        expected = {
            Path(row["file"]).name: row["expected"] for row in rows if row["category"] == "polyglot"
        }
    expected["made__gif_and_script.gif"] = "accept"
    let_in = {name for name, verdict in verdicts["by default"].items() if type(verdict) is list}
    assert verdicts["by default"].keys() == expected.keys()
    assert let_in == {name for name, verdict in expected.items() if verdict == "accept"}
    assert len(let_in) > 10
    codes = {verdicts["by default"][name] for name in expected.keys() - let_in}
    assert codes <= {"format_not_allowed", "not_an_image", "damaged"}
    more = {name for name, verdict in verdicts["public"].items() if type(verdict) is list}
    assert {Path(name).suffix for name in more - let_in} == {".bmp", ".jpg"}  # that is a TIFF
    assert {expected[name] for name in more - let_in} == {"either"}


def test_payload__does_not_run_as_a_document(watched, site, payloads):
    for name, url in payloads.items():
        if name.endswith((".bmp", "tiff_named.jpg")) and payloads is site.originals:
            with pytest.raises(Error, match="Download is starting"):
                watched.page.goto(url)
            continue
        response = watched.page.goto(url)
        assert response is not None, name
        assert response.status == 200, name
        assert response.headers["content-type"].startswith("image/"), name
        assert watched.page.evaluate("document.contentType").startswith("image/"), name
        assert watched.signs() == NOTHING, name


def without_policy(route: Route) -> None:
    """Let a page through as one of a site that has no policy of its own."""
    response = route.fetch()
    headers = {k: v for k, v in response.headers.items() if k != "content-security-policy"}
    route.fulfill(response=response, headers=headers)


def test_payload__does_not_run_within_a_page_of_the_same_origin(watched, site, payloads):
    """Not even where the page forbids nothing."""
    watched.page.route("**/login/", without_policy)
    watched.page.goto(f"{site.url}/login/")
    shown = watched.page.evaluate(EMBED, [list(payloads.values()), WAYS])
    assert watched.signs() == NOTHING
    unknown = sum("tiff" in name for name in payloads) * (payloads is site.originals)
    assert shown == len(payloads) - unknown  # so the browser had the bytes, and read them


def test_payload__does_not_run_within_a_page_of_another_origin(watched, naive, payloads):
    watched.page.goto(f"{naive}/nothing")
    watched.page.evaluate(EMBED, [list(payloads.values()), WAYS])
    assert watched.signs() == NOTHING


@pytest.mark.parametrize("way", [way for way in WAYS if not way.startswith("img")])
def test_control__of_a_naive_server_the_same_payload_runs(watched, naive, way):
    # Without an ending, which Chromium would believe, and take an object for an image.
    name = "made__gif_and_script" if "script" in way else "gen__gif_html_in_comment"
    watched.page.goto(f"{naive}/nothing")
    watched.page.evaluate(EMBED, [[f"{naive}/{name}"], [way]])
    signs = watched.signs()
    where = "nothing" if "script" in way else name
    assert signs["ran"] == ("script" in way)  # else it ran in a frame
    assert signs["dialogs"] == ["1"]
    assert f"a payload ran in {naive}/{where}" in signs["console"]


@pytest.mark.parametrize("name", ["gen__gif_html_in_comment.gif", "gen__jpeg_html_appended.jpg"])
def test_control__of_a_naive_server_the_same_document_runs(watched, naive, name):
    watched.page.goto(f"{naive}/{name}")
    assert watched.signs() == {
        "ran": True,
        "dialogs": ["1"],
        "console": [f"a payload ran in {naive}/{name}"],
    }
