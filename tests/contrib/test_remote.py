"""Fetching images from the web: the list of hostile URLs, servers that misbehave, and TLS."""

from __future__ import annotations

import dataclasses
import random
import socket
import ssl
import threading
import time
import tracemalloc

import pytest

from images_app.contrib.remote import network as remote_network
from images_app.contrib.remote.addresses import is_public
from images_app.contrib.remote.conf import Remote
from images_app.contrib.remote.exceptions import RemoteRefused
from images_app.contrib.remote.fetching import Fetcher, Validators
from images_app.contrib.remote.network import Deadline
from images_app.contrib.remote.targets import follow, parse_target
from images_app.exceptions import ImagesAppError, StorageUnavailable, UploadRefused
from images_app.validation import Limits
from tests.contrib.remote_servers import PUBLIC, PUBLIC_V6, Internet, make_authority, running
from tests.parts import ROOT, need
from tests.pictures import picture

LIST = ROOT.parent / "shared" / "lists" / "ssrf_urls.tsv"
LIMITS = Limits(
    max_bytes=100_000, max_pixels=10**6, max_frames=9, max_animation_pixels=10**6, formats=("png",)
)
PNG = picture("PNG")


class AnyHost(Remote):
    """As if every host were on the list, so that all that comes after it is tried."""

    def allows(self, target):
        return target.port in self.ports


@pytest.fixture
def internet():
    with running() as public, running() as internal:
        made = Internet(public=public, internal=internal)
        made.names |= {"good.test": [PUBLIC], "other.test": [PUBLIC_V6]}
        public.behaviours["good.test"] = send_png
        public.behaviours["other.test"] = send_png
        yield made


def send_png(exchange):
    exchange.answer(body=PNG, Content_Type="image/png")


def redirect(to, status="302 Found"):
    return lambda exchange: exchange.answer(status, Location=to)


def redirect_chain(exchange):
    """Six redirects, the last one to an address that is blocked."""
    step = int(exchange.path.strip("/").replace("x.png", "0")) + 1
    to = f"http://redir-chain-5.test/{step}" if step < 6 else "http://127.0.0.1/x.png"
    exchange.answer("302 Found", Location=to)


def drip_body(exchange):
    exchange.answer(body=b"", Content_Type="image/png", Content_Length="100")
    for byte in PNG:
        exchange.send(bytes([byte]))
        exchange.wait(0.05)


def lie_about_length(exchange):
    exchange.answer(body=b"", Content_Type="image/png", Content_Length="10")
    for _ in range(1600):
        exchange.send(PNG[:10] + bytes(65526))


SERVERS = {
    "rebind.test": redirect("http://rebind.test/again"),
    "cname-to-localhost.test": send_png,
    "redir-chain-5.test": redirect_chain,
    "redir-loop.test": redirect("/x.png"),
    "slow-body.test": drip_body,
    "lying-length.test": lie_about_length,
    "html.test": lambda e: e.answer(body=b"<html>", Content_Type="text/html; charset=utf-8"),
    "401.test": lambda e: e.answer(
        "401 Unauthorized", PNG, Content_Type="image/png", WWW_Authenticate="Basic realm=x"
    ),
    "good.test": send_png,
    "redir-good.test": redirect("http://good.test/x.png"),
}


def fetcher(internet, *, remote=None, limits=LIMITS, **values):
    values = {"max_seconds": 5, "connect_seconds": 1, "read_seconds": 1, **values}
    return Fetcher(remote=remote or AnyHost(**values), limits=limits, network=internet.network)


def fetch(internet, url="http://good.test/x.png", known=None, **kwargs):
    """The bytes behind a URL; None where nothing has changed."""
    with fetcher(internet, **kwargs).fetch(url, known) as fetched:
        return fetched.file and fetched.file.read()


def code_of(internet, url="http://good.test/x.png", **kwargs):
    """Why nothing is fetched."""
    with pytest.raises(ImagesAppError) as caught:
        fetch(internet, url, **kwargs)
    return caught.value.code


# --- the list ----------------------------------------------------------------------------------


def rows():
    if not LIST.exists():
        return [pytest.param("", "", "", marks=pytest.mark.skip("the list is not here"))]
    lines = LIST.read_text().splitlines()
    return [tuple(line.split("\t")) for line in lines if line and not line.startswith("#")]


@pytest.mark.parametrize("max_redirects", [3, 20])
@pytest.mark.parametrize(("url", "expect", "why"), rows())
def test_list__is_refused_or_fetched_as_it_says(internet, url, expect, why, max_redirects):
    internet.public.behaviours |= SERVERS
    internet.names |= {name: [PUBLIC] for name in SERVERS}
    internet.names |= {"localhost": ["127.0.0.1", "::1"], "localhost.localdomain": ["127.0.0.1"]}
    internet.names |= {"cname-to-localhost.test": ["127.0.0.1"], "example.com": [PUBLIC]}
    answers = iter([[PUBLIC]] + 30 * [["127.0.0.1"]])
    internet.names["rebind.test"] = lambda: next(answers)
    bounds = {"max_redirects": max_redirects, "max_seconds": 0.8}
    if url.startswith("http://lying-length"):
        fetched = fetch(internet, url, **bounds)
        assert fetched == PNG[:10]  # which ingest refuses: test_remote_sources.py
        assert internet.public.sent < 20 * 2**20
    elif expect == "allow":
        assert fetch(internet, url, **bounds) == PNG
    else:
        assert code_of(internet, url, **bounds) in RemoteRefused.reasons
    assert internet.internal.connections == 0
    assert {address for address, _ in internet.connected} <= {PUBLIC}


def test_list__of_redirects_is_followed_to_its_blocked_end(internet):
    internet.names["redir-chain-5.test"] = [PUBLIC]
    internet.public.behaviours |= SERVERS
    url = "http://redir-chain-5.test/x.png"
    assert code_of(internet, url, max_redirects=3) == "too_many_redirects"
    assert len(internet.public.requests) == 4
    assert code_of(internet, url, max_redirects=6) == "unreachable"
    assert len(internet.public.requests) == 4 + 6
    assert internet.internal.connections == 0


# --- addresses ---------------------------------------------------------------------------------

BLOCKED = [
    "0.0.0.0",
    "0.1.2.3",
    "10.255.0.1",
    "100.64.0.0",
    "100.127.255.255",
    "127.255.0.1",
    "168.63.129.16",
    "169.254.169.254",
    "172.16.0.0",
    "172.31.255.255",
    "192.0.0.8",
    "192.0.0.9",
    "192.0.0.192",
    "192.0.2.7",
    "192.31.196.1",
    "192.52.193.1",
    "192.88.99.1",
    "192.168.1.1",
    "192.175.48.1",
    "198.18.0.1",
    "198.19.255.255",
    "198.51.100.1",
    "203.0.113.9",
    "224.0.0.251",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::7f00:1",
    "::ffff:8.8.8.8",
    "::ffff:0:8.8.8.8",
    "64:ff9b::808:808",
    "64:ff9b:1::1",
    "100::1",
    "100:0:0:1::1",
    "2001::1",
    "2001:1::1",
    "2001:2::1",
    "2001:10::1",
    "2001:20::1",
    "2001:db8::1",
    "2002:808:808::1",
    "2620:4f:8000::1",
    "3fff::1",
    "5f00::1",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fe80::1%lo",
    "2606:2800::1%eth0",
    "fec0::1",
    "ff02::1",
    "ff0e::1",
    "2606:2800::5efe:7f00:1",
    "2606:2800::200:5efe:a00:1",
    "4000::1",
    "127.1",
    "0177.0.0.1",
    "08.8.8.8",
    "1.2.3",
    "0x08080808",
    "134744072",
    "localhost",
    "8.8.8.8/32",
]
ALLOWED = [
    "8.8.8.8",
    "1.1.1.1",
    "100.63.255.255",
    "100.128.0.1",
    "172.15.0.1",
    "172.32.0.1",
    "192.0.1.1",
    "198.17.0.1",
    "198.20.0.1",
    "223.255.255.254",
    "2606:4700:4700::1111",
    "2a00:1450:4001::1",
    "2001:4860:4860::8888",
]


@pytest.mark.parametrize("address", [*BLOCKED, "", " 8.8.8.8", "8.8.8.8\n", "\u0661.1.1.1"])
def test_address__that_is_not_public(address):
    assert not is_public(address)


@pytest.mark.parametrize("address", ALLOWED)
def test_address__that_is_public(address):
    assert is_public(address)


@pytest.mark.parametrize("address", [*BLOCKED, ""])
def test_name__of_a_blocked_address_is_never_connected_to(internet, address):
    for answer in ([address], [PUBLIC, address], [address, PUBLIC]):
        internet.names["bad.test"] = answer
        assert code_of(internet, "http://bad.test/") == "unreachable"
    assert internet.connected == []


def test_name__without_an_address(internet):
    internet.names["empty.test"] = []
    assert code_of(internet, "http://empty.test/") == "unreachable"
    assert code_of(internet, "http://unknown.test/") == "unreachable"


def test_name__is_looked_up_once_for_each_hop(internet):
    internet.names["first.test"] = [PUBLIC]
    internet.public.behaviours["first.test"] = redirect("http://good.test/x.png")
    assert fetch(internet, "http://first.test/") == PNG
    assert internet.looked_up == ["first.test", "good.test"]


def test_resolver__that_changes_its_mind_gets_nowhere_in_1000_tries(internet):
    chance = random.Random(7)
    inside = ["127.0.0.1", "10.0.0.1", "169.254.169.254", "::1", "::ffff:127.0.0.1"]

    def change_its_mind():
        pool = [[PUBLIC], [PUBLIC_V6], [chance.choice(inside)], [PUBLIC, chance.choice(inside)]]
        return chance.choice(pool)

    def lead_back(exchange):
        if chance.random() < 0.5:
            exchange.answer(body=PNG, Content_Type="image/png")
        else:
            exchange.answer("302 Found", Location=f"http://rebind.test/{chance.random()}")

    internet.names["rebind.test"] = change_its_mind
    internet.public.behaviours["rebind.test"] = lead_back
    outcomes = {"fetched": 0}
    for _ in range(1000):
        try:
            assert fetch(internet, "http://rebind.test/x.png") == PNG
            outcomes["fetched"] += 1
        except RemoteRefused as error:
            outcomes[error.code] = outcomes.get(error.code, 0) + 1
    assert internet.internal.connections == 0
    assert {address for address, _ in internet.connected} == {PUBLIC, PUBLIC_V6}
    assert outcomes["fetched"] > 100
    assert outcomes["unreachable"] > 100


def test_second_address__is_tried_when_the_first_does_not_answer(internet):
    def connect(address, port, seconds):
        if address == PUBLIC_V6:
            raise OSError
        return socket.create_connection(internet.public.server_address[:2], seconds)

    internet.connect = connect
    internet.names["good.test"] = [PUBLIC_V6, PUBLIC]
    assert fetch(internet) == PNG


def test_connect__looks_no_name_up(internet, monkeypatch):
    def fail(*args, **kwargs):
        raise AssertionError

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    host, port = internet.public.server_address[:2]
    with remote_network.connect(host, port, 1) as sock:
        assert sock.getpeername() == (host, port)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]", "[::ffff:127.0.0.1]"])
def test_real_network__does_not_lead_to_this_machine(internet, host):
    port = internet.internal.server_address[1]
    made = Fetcher(remote=AnyHost(ports=(port,)), limits=LIMITS)
    with pytest.raises(RemoteRefused) as caught, made.fetch(f"http://{host}:{port}/"):
        pass
    assert caught.value.code == "unreachable"
    assert internet.internal.connections == 0


def test_resolve__asks_the_system(monkeypatch):
    answers = [(2, 1, 6, "", (PUBLIC, 0)), (2, 1, 6, "", (PUBLIC, 0)), (10, 1, 6, "", ("::1", 0))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *a, **k: answers)
    assert remote_network.resolve("good.test") == [PUBLIC, "::1"]


# --- URLs --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "host", "path"),
    [
        ("http://Good.TEST/A?b=/c#d", "good.test", "/A?b=/c"),
        ("HTTPS://good.test?q", "good.test", "/?q"),
        ("http://good.test", "good.test", "/"),
        ("http://good.test/?a#b?c@d:e", "good.test", "/?a"),
        ("http://good.test/a@b:c/%20", "good.test", "/a@b:c/%20"),
        ("http://[2606:2800:0:0::1]/", "2606:2800::1", "/"),
        ("http://xn--mnchen-3ya.test/", "xn--mnchen-3ya.test", "/"),
        ("http://8.8.8.8/", "8.8.8.8", "/"),
        ("http://1.8.8.8.test/", "1.8.8.8.test", "/"),
    ],
)
def test_url__is_read(url, host, path):
    target = parse_target(url)
    assert (target.host, target.path) == (host, path)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "good.test/x.png",
        "//good.test/x.png",
        "http:good.test",
        "http:/good.test",
        "http:///good.test",
        "http://good.test\n",
        "http://good.test/a b",
        "http://good.test/a\tb",
        "http://good.test/a\r\nX: y",
        "http://good.test/\x00",
        "http://good.test/\x7f",
        "http://good.test/ü",
        "http://good.test/a\\b",
        "http://good\t.test/",
        "http://good.test:/",
        "http://good.test:0/",
        "http://good.test:080/",
        "http://good.test:65536/",
        "http://good.test:٨٠/",
        "http://good.test:80:80/",
        "http://user@good.test/",
        "http://user:secret@good.test/",
        "http://@good.test/",
        "http://good.test:80@evil.test/",
        "http://good.test./",
        "http://.good.test/",
        "http://good..test/",
        "http://-good.test/",
        "http://" + 64 * "a" + ".test/",
        "http://" + 60 * "abcd." + "test/",
        "http://good%2etest/",
        "http://good,test/",
        "http://münchen.test/",
        "http://good。test/",
        "http\u017f://good.test/",
        "http://0x8.8.8.8/",
        "http://0x08080808/",
        "http://8.8.2056/",
        "http://010.8.8.8/",
        "http://134744072/",
        "http://8.8.8.8.8/",
        "http://8.8.8.0x8/",
        "http://good.0x/",
        "http://good.7/",
        "http://[fe80::1%lo]/",
        "http://[fe80::1%25lo]/",
        "http://[::1/",
        "http://[good.test]/",
        "http://[8.8.8.8]/",
        "http://::1/",
        "javascript:alert(1)",
        "gopher://good.test/",
        "http://good.test/" + 2000 * "a",
    ],
)
def test_url__is_refused(url):
    with pytest.raises(RemoteRefused) as caught:
        parse_target(url)
    assert caught.value.code == "bad_url"


@pytest.mark.parametrize(
    ("location", "expected"),
    [
        ("/b", "https://good.test/b"),
        ("b?c", "https://good.test/a/b?c"),
        ("//other.test/b", "https://other.test/b"),
        ("https://other.test:443/b#c", "https://other.test/b"),
    ],
)
def test_redirect__leads_on(location, expected):
    assert follow(parse_target("https://good.test/a/x.png"), location).url == expected


@pytest.mark.parametrize(
    "location",
    ["", "http://good.test/", "/a b", "/\tb", "//u@other.test/", "file:///etc/passwd", "\\\\a/b"],
)
def test_redirect__is_refused(location):
    with pytest.raises(RemoteRefused) as caught:
        follow(parse_target("https://good.test/a/x.png"), location)
    assert caught.value.code == "bad_url"


def test_redirect__leads_to_no_other_host_than_the_list_names(internet):
    remote = Remote(hosts=("good.test",))
    internet.public.behaviours["good.test"] = redirect("http://other.test/x.png")
    assert code_of(internet, remote=remote) == "host_not_allowed"
    assert internet.looked_up == ["good.test"]


@pytest.mark.parametrize(
    ("host", "is_allowed"),
    [
        ("images.test", True),
        ("a.images.test", False),
        ("parts.test", False),
        ("a.parts.test", True),
        ("a.b.parts.test", True),
        ("aparts.test", False),
        ("images.test.evil.test", False),
        ("8.8.8.8", False),
    ],
)
def test_hosts__are_exact_or_all_below_one(host, is_allowed):
    remote = Remote(hosts=("images.test", ".parts.test"))
    assert remote.allows(parse_target(f"http://{host}/")) is is_allowed
    assert not remote.allows(parse_target(f"http://{host}:8080/"))


# --- requests ----------------------------------------------------------------------------------


def test_request__tells_nothing_of_us(internet, monkeypatch, tmp_path):
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://proxy.test:3128")
    (tmp_path / ".netrc").write_text("machine good.test login me password secret\n")
    monkeypatch.setenv("HOME", str(tmp_path))

    def set_cookie(exchange):
        exchange.answer("302 Found", Location="/y.png", Set_Cookie="a=b")

    internet.public.behaviours["good.test"] = lambda e: (
        set_cookie(e) if e.path.startswith("/x") else send_png(e)
    )
    assert fetch(internet, "http://good.test/x.png?q=1") == PNG
    first, second = internet.public.requests
    assert first.raw.startswith(b"GET /x.png?q=1 HTTP/1.1\r\n")
    for each in (first, second):
        assert each.raw.count(b"\r\n") == 7  # none twice
        assert each.headers == {
            "host": "good.test",
            "user-agent": "images_app",
            "accept": "image/*",
            "accept-encoding": "identity",
            "connection": "close",
        }
    assert internet.public.connections == 2
    assert internet.looked_up == ["good.test", "good.test"]


def test_request__names_port_and_address_as_rfc_9110_says(internet):
    fetch(internet, "http://good.test:443/x.png")
    internet.public.behaviours["["] = send_png
    fetch(internet, f"http://[{PUBLIC_V6}]/x.png")
    hosts = [each.headers["host"] for each in internet.public.requests]
    assert hosts == ["good.test:443", f"[{PUBLIC_V6}]"]
    assert internet.connected == [(PUBLIC, 443), (PUBLIC_V6, 80)]


# --- answers -----------------------------------------------------------------------------------


def raw(data):
    return lambda exchange: exchange.send(data)


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\n"
ANSWERS = {
    "until the end": (raw(HEAD + b"\r\n" + PNG), None),
    "chunked": (
        raw(HEAD + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(PNG), PNG)),
        None,
    ),
    "after 100": (raw(b"HTTP/1.1 100 Continue\r\n\r\n" + HEAD + b"\r\n" + PNG), None),
    "octet-stream": (lambda e: e.answer(body=PNG, Content_Type="binary/octet-stream"), None),
    "parameters": (lambda e: e.answer(body=PNG, Content_Type="image/png; a=b"), None),
    "no type": (lambda e: e.answer(body=PNG), "no_image"),
    "text": (lambda e: e.answer(body=PNG, Content_Type="text/plain"), "no_image"),
    "odd type": (lambda e: e.answer(body=PNG, Content_Type="image/png, text/html"), "no_image"),
    "encoded": (
        lambda e: e.answer(body=PNG, Content_Type="image/png", Content_Encoding="gzip"),
        "no_image",
    ),
    "framed": (
        raw(HEAD + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"),
        "no_image",
    ),
    "not found": (lambda e: e.answer("404 Not Found"), "gone"),
    "gone": (lambda e: e.answer("410 Gone"), "gone"),
    "error": (lambda e: e.answer("503 Service Unavailable"), "no_image"),
    "forbidden": (lambda e: e.answer("403 Forbidden", PNG, Content_Type="image/png"), "no_image"),
    "part": (
        lambda e: e.answer("206 Partial Content", PNG, Content_Type="image/png"),
        "no_image",
    ),
    "unasked 304": (lambda e: e.answer("304 Not Modified"), "no_image"),
    "300": (lambda e: e.answer("300 Multiple Choices", Location="/y"), "no_image"),
    "no location": (lambda e: e.answer("302 Found"), "bad_url"),
    "empty": (lambda e: e.answer(Content_Type="image/png"), "empty"),
    "said too large": (
        lambda e: e.answer(Content_Type="image/png", Content_Length="100001"),
        "too_large",
    ),
    "too large": (raw(HEAD + b"\r\n" + bytes(100_001)), "too_large"),
    "too large, chunked": (
        raw(HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + b"8000\r\n%b\r\n" % bytes(0x8000) * 4),
        "too_large",
    ),
    "all framing": (
        raw(HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + b"1;%b\r\nx\r\n" % (60_000 * b"x") * 40),
        "unreachable",
    ),
    "cut": (
        lambda e: e.answer(body=PNG[:50], Content_Type="image/png", Content_Length="100"),
        "unreachable",
    ),
    "cut, chunked": (
        raw(HEAD + b"Transfer-Encoding: chunked\r\n\r\n100\r\nabc"),
        "unreachable",
    ),
    "no such chunk": (
        raw(HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\nabc"),
        "unreachable",
    ),
    "no HTTP": (raw(b"SSH-2.0-OpenSSH_9.2\r\n"), "unreachable"),
    "nothing": (raw(b""), "unreachable"),
    "HTTP/0.9": (raw(PNG), "unreachable"),
    "many headers": (raw(b"HTTP/1.1 200 OK\r\n" + 101 * b"A: b\r\n" + b"\r\n"), "unreachable"),
    "long headers": (
        raw(b"HTTP/1.1 200 OK\r\n" + 90 * (b"A: %b\r\n" % (800 * b"b")) + b"\r\n" + PNG),
        "unreachable",
    ),
    "100 for ever": (raw(9000 * b"HTTP/1.1 100 Continue\r\n\r\n"), "unreachable"),
}


@pytest.mark.parametrize("case", ANSWERS)
def test_answer__is_taken_or_refused(internet, case):
    behaviour, code = ANSWERS[case]
    internet.public.behaviours["good.test"] = behaviour
    if code is None:
        assert fetch(internet) == PNG
    else:
        assert code_of(internet) == code


def drip(head):
    """Send a byte now and then, each well before the patience for one read ends."""

    def behave(exchange):
        exchange.send(head)
        for _ in range(200):
            exchange.send(b"x")
            exchange.wait(0.05)

    return behave


@pytest.mark.parametrize(
    "behaviour",
    [
        drip(HEAD + b"\r\n"),
        drip(HEAD + b"Content-Length: 500\r\n\r\n"),
        drip(HEAD + b"Transfer-Encoding: chunked\r\n\r\n1;"),
        drip(b"HTTP/1.1 200 OK\r\nA: "),
        drip(b""),
        lambda exchange: exchange.wait(10),
        redirect("/x.png"),
    ],
    ids=["body", "length", "chunk", "header", "status", "silence", "redirects"],
)
def test_time__is_up_for_all_together(internet, behaviour):
    internet.public.behaviours["good.test"] = lambda e: (e.wait(0.05), behaviour(e))
    started = time.monotonic()
    code = code_of(internet, max_seconds=0.4, read_seconds=5, max_redirects=20)
    assert code == "unreachable"
    assert time.monotonic() - started < 1.5


def test_time__of_one_read_is_bounded(internet):
    internet.public.behaviours["good.test"] = lambda exchange: exchange.wait(10)
    started = time.monotonic()
    assert code_of(internet, max_seconds=20, read_seconds=0.2) == "unreachable"
    assert time.monotonic() - started < 2


def test_time__of_a_name_is_bounded(internet):
    internet.names["good.test"] = lambda: (internet.public.stopped.wait(2), [PUBLIC])[1]
    started = time.monotonic()
    assert code_of(internet, max_seconds=0.2) == "unreachable"
    assert time.monotonic() - started < 1.5


def test_time__of_connecting_is_bounded(internet):
    patience = []

    def connect(address, port, seconds):
        patience.append(seconds)
        raise TimeoutError

    internet.connect = connect
    assert code_of(internet, max_seconds=5, connect_seconds=0.3) == "unreachable"
    assert code_of(internet, max_seconds=0.2, connect_seconds=3) == "unreachable"
    assert patience[0] == 0.3
    assert patience[1] <= 0.2


def test_lookups__that_hang_do_not_pile_up(internet, monkeypatch):
    monkeypatch.setattr(remote_network, "_lookups", threading.BoundedSemaphore(1))
    internet.names["slow.test"] = lambda: (internet.public.stopped.wait(1), [PUBLIC])[1]
    assert code_of(internet, "http://slow.test/", max_seconds=0.1) == "unreachable"
    assert code_of(internet, max_seconds=0.1) == "unreachable"
    assert "good.test" not in internet.looked_up


def test_deadline__that_has_passed():
    with pytest.raises(RemoteRefused):
        Deadline.after(-1).left(5)


def test_failures__look_alike(internet):
    """Blocked, refused, silent, unknown, broken: one sentence for all."""
    closed = socket.create_server(("127.0.0.1", 0))
    address = closed.getsockname()
    closed.close()

    def connect(given, port, seconds):
        return socket.create_connection(address, seconds)

    internet.names["blocked.test"] = ["10.0.0.1"]
    internet.public.behaviours["good.test"] = lambda exchange: exchange.wait(5)
    sentences = set()
    for url in ("http://blocked.test/", "http://good.test/", "http://nowhere.test/"):
        with pytest.raises(RemoteRefused) as caught:
            fetch(internet, url, max_seconds=0.3)
        sentences.add((caught.value.code, caught.value.public_message, str(caught.value.params)))
    internet.connect = connect
    with pytest.raises(RemoteRefused) as caught:
        fetch(internet)
    assert isinstance(caught.value.__cause__, ConnectionRefusedError)
    sentences.add((caught.value.code, caught.value.public_message, str(caught.value.params)))
    assert len(sentences) == 1


def test_detail__has_host_and_port_and_no_path(internet):
    internet.names["blocked.test"] = ["10.0.0.1"]
    with pytest.raises(RemoteRefused) as caught:
        fetch(internet, "http://blocked.test/path?key=secret")
    assert str(caught.value) == "unreachable: http://blocked.test:80 is at 10.0.0.1"


def test_file__is_gone_afterwards_and_never_in_memory(internet, tmp_path):
    made = Fetcher(remote=AnyHost(), limits=LIMITS, network=internet.network, folder=str(tmp_path))
    with made.fetch("http://good.test/x.png") as fetched:
        assert fetched.file.fileno() > 0
        assert fetched.file_name == "x.png"
    assert fetched.file.closed
    assert list(tmp_path.iterdir()) == []


def test_file__of_any_size_takes_the_same_memory(internet):
    def send_much(exchange):
        exchange.answer(Content_Type="image/png", Content_Length=str(64 * 2**20))
        for _ in range(64):
            exchange.send(bytes(2**20))

    internet.public.behaviours["good.test"] = send_much
    limits = dataclasses.replace(LIMITS, max_bytes=100 * 2**20)
    made = fetcher(internet, limits=limits, max_seconds=30)
    tracemalloc.start()
    try:
        with made.fetch("http://good.test/x.png") as fetched:
            assert fetched.file.seek(0, 2) == 64 * 2**20
        assert tracemalloc.get_traced_memory()[1] < 8 * 2**20
    finally:
        tracemalloc.stop()


def test_file__without_a_place_is_no_fault_of_the_address(internet, tmp_path):
    made = Fetcher(
        remote=AnyHost(), limits=LIMITS, network=internet.network, folder=str(tmp_path / "none")
    )
    with pytest.raises(StorageUnavailable), made.fetch("http://good.test/x.png"):
        pass


def test_file__on_a_full_disk(internet, monkeypatch):
    class Full:
        def __enter__(self):
            return self

        def __exit__(self, *error):
            pass

        def write(self, chunk):
            raise OSError(28, "No space left on device")

    monkeypatch.setattr("tempfile.TemporaryFile", lambda **kwargs: Full())
    with pytest.raises(StorageUnavailable), fetcher(internet).fetch("http://good.test/x.png"):
        pass


# --- conditions --------------------------------------------------------------------------------


def test_condition__is_sent_and_304_believed(internet):
    known = Validators(url="http://good.test/x.png", etag='"1"', last_modified="yesterday")
    internet.public.behaviours["good.test"] = lambda e: e.answer("304 Not Modified")
    assert fetch(internet, known=known) is None
    headers = internet.public.requests[0].headers
    assert headers["if-none-match"] == '"1"'
    assert headers["if-modified-since"] == "yesterday"


def test_condition__is_for_the_url_that_gave_the_validator(internet):
    known = Validators(url="http://good.test/old.png", etag='"1"')
    internet.public.behaviours["good.test"] = lambda e: e.answer("304 Not Modified")
    assert code_of(internet, known=known) == "no_image"
    assert "if-none-match" not in internet.public.requests[0].headers


@pytest.mark.parametrize(
    ("etag", "kept"),
    [('W/"a"', 'W/"a"'), ('"' + 600 * "a" + '"', ""), ('"é"', ""), ('"a\tb"', "")],
)
def test_validator__is_kept_if_it_can_be_sent_back(internet, etag, kept):
    internet.public.behaviours["good.test"] = lambda e: e.answer(
        body=PNG, Content_Type="image/png", ETag=etag
    )
    with fetcher(internet).fetch("http://good.test/x.png") as fetched:
        assert fetched.validators == Validators(url="http://good.test/x.png", etag=kept)


# --- TLS ---------------------------------------------------------------------------------------


@pytest.fixture
def with_tls(tmp_path):
    need("cryptography", is_there=_has_cryptography())
    authority, context = make_authority(tmp_path, "good.test")
    names = []
    context.sni_callback = lambda sock, name, context: names.append(name)
    with running(context) as public, running() as internal:
        made = Internet(public=public, internal=internal)
        made.names |= {"good.test": [PUBLIC], "wrong.test": [PUBLIC]}
        made.tls = lambda: ssl.create_default_context(cafile=authority)
        public.behaviours |= {"good.test": send_png, "wrong.test": send_png}
        public.asked_for = names
        yield made


def _has_cryptography():
    from importlib.util import find_spec

    return find_spec("cryptography") is not None


def test_tls__checks_the_name(with_tls):
    assert fetch(with_tls, "https://good.test/x.png") == PNG
    assert with_tls.public.asked_for == ["good.test"]
    assert with_tls.connected == [(PUBLIC, 443)]


@pytest.mark.parametrize("url", ["https://wrong.test/x.png", f"https://{PUBLIC}/x.png"])
def test_tls__refuses_the_certificate_of_another_name(with_tls, url):
    with pytest.raises(RemoteRefused) as caught:
        fetch(with_tls, url)
    assert isinstance(caught.value.__cause__, ssl.SSLCertVerificationError)
    assert caught.value.code == "unreachable"
    assert with_tls.public.requests == []


def test_tls__refuses_an_unknown_authority(with_tls):
    with_tls.tls = ssl.create_default_context
    assert code_of(with_tls, "https://good.test/x.png") == "unreachable"
    assert with_tls.public.requests == []


def test_tls__that_never_shakes_hands(internet):
    def connect(address, port, seconds):
        return socket.create_connection(internet.public.server_address[:2])

    internet.connect = connect  # which sets no time of its own
    internet.public.behave = lambda exchange: exchange.wait(5)
    started = time.monotonic()
    assert code_of(internet, "https://good.test/", connect_seconds=0.3) == "unreachable"
    assert time.monotonic() - started < 2


def test_tls__is_not_given_up_by_a_redirect(with_tls):
    with_tls.public.behaviours["good.test"] = redirect("http://good.test/x.png")
    assert code_of(with_tls, "https://good.test/x.png") == "bad_url"


def test_upload_refused__keeps_its_own_codes():
    assert {"empty", "too_large"} <= UploadRefused.reasons.keys()
    assert not RemoteRefused.reasons.keys() & UploadRefused.reasons.keys()
