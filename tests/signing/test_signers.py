"""Signers: what they sign they know again, and nothing else."""

from __future__ import annotations

import hashlib
import json
import random
import re
import time
from base64 import b64decode
from email.utils import parsedate_to_datetime

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from django.test import AsyncRequestFactory, RequestFactory

from images_app.signing import DjangoSigner, SecureLinkSigner
from images_app.signing.cloudfront import CloudFrontSigner

PATH = "/images/renditions/0f8fad5b-d9cb-469f-a165-70867728950e/1/0123456789abcdef.avif"
OTHERS = {
    "another image": PATH.replace("0f8fad5b", "0f8fad5c"),
    "another preset": PATH.replace("0123456789abcdef", "1123456789abcdef"),
    "another version": PATH.replace("/1/", "/2/"),
    "another format": PATH.replace(".avif", ".webp"),
    "the original": PATH.replace("renditions", "originals"),
}
NOW = 1_800_000_000.0
SECRET = "0123456789abcdef0123456789abcdef"
_ENDS = re.compile(r"[?#%\\ ]|^//").search


@pytest.fixture(autouse=True)
def clock(monkeypatch):
    """Moves the time."""

    def move(to):
        monkeypatch.setattr(time, "time", lambda: to)

    move(NOW)
    return move


@pytest.fixture(params=["django", "secure link"])
def signer(request):
    return DjangoSigner() if request.param == "django" else SecureLinkSigner(SECRET)


def verify(signer, url):
    return signer.verify(RequestFactory().get(url))


def mutations(url: str) -> list[str]:
    """2,000 other spellings: every bit of the query, cases, orders, doublings, other values."""
    path, _, query = url.partition("?")
    token = query.removeprefix("s=")
    signature, *rest = token.split(".")
    found = {
        f"{path}?{query[:i]}{chr(ord(query[i]) ^ (1 << bit))}{query[i + 1 :]}"
        for i in range(len(query))
        for bit in range(7)
    }
    found |= {f"{path}?{query[:i]}{query[i + 1 :]}" for i in range(len(query))}
    found |= {f"{path}?{query[:i]}{query[i]}{query[i:]}" for i in range(len(query))}
    found |= {f"{path}?{query[:i]}{query[i].swapcase()}{query[i + 1 :]}" for i in range(len(query))}
    found |= {f"{other}?{query}" for other in OTHERS.values()}
    found |= {
        f"{path}?{made}"
        for made in (
            f"{query}&{query}",
            f"{query}&s=",
            f"s=&{query}",
            f"a=1&{query}",
            f"{query}&a=1",
            f"S={token}",
            f"s={token}=",
            f"s=={token}",
            f"s={'.'.join(rest)}.{signature}",
            f"s={signature}",
            f"s={signature}.",
            f"s=.{'.'.join(rest)}",
            f"{query}#",
            f"?{query}",
            f"{query};",
            f"s={token}%00",
            f"s={'.'.join([signature, f'0{rest[0]}', *rest[1:]])}",
            f"s={'.'.join([signature, '1' * 5000, *rest[1:]])}",
            f"s=%20{token}",
            f"s={token.replace('.', '%2e')}",
            "s=",
            "",
        )
    }
    stamp = int(rest[0])
    later = [".".join([str(stamp + n), *rest[1:]]) for n in range(1, 200)]
    found |= {f"{path}?s={signature}.{text}" for text in later}
    flipped = {
        f"{path[:i]}{chr(ord(path[i]) ^ (1 << bit))}{path[i + 1 :]}"
        for i in range(1, len(path))
        for bit in range(7)
    }
    # What no path can hold as it is would be another URL altogether.
    found |= {f"{other}?{query}" for other in flipped if other.isprintable() and not _ENDS(other)}
    chance = random.Random(1)
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    while len(found) < 2100:
        made = "".join(chance.choice(letters) for _ in signature)
        found.add(f"{path}?s={'.'.join([made, *rest])}")
    # The fragment never reaches a server, so this is the URL itself.
    return sorted(found - {url, f"{url}#"})


def test_signature__holds_for_its_url_until_it_expires(signer, clock):
    url = signer.sign(PATH, max_age=600)
    until = verify(signer, url)
    assert NOW + 150 <= until <= NOW + 300
    clock(until - 0.1)
    assert verify(signer, url) == until
    clock(until)
    assert verify(signer, url) is None


@pytest.mark.parametrize("ahead", [1, 151, 3600, 86400 * 365])
def test_signature__of_a_clock_that_was_ahead_does_not_hold(signer, clock, ahead):
    start = NOW // 150 * 150
    clock(start + ahead)
    url = signer.sign(PATH, max_age=600)
    life = verify(signer, url) - time.time()
    clock(start)
    holds = verify(signer, url) is not None
    assert holds is (ahead < 150)  # of the same window
    clock(start + ahead)
    assert verify(signer, url) == start + ahead + life


def test_signature__of_a_longer_lifetime_does_not_hold_with_a_shorter_one(clock):
    clock(NOW // 150 * 150)
    for make in (DjangoSigner, lambda **options: SecureLinkSigner(SECRET, **options)):
        url = make(lifetime=3600).sign(PATH, max_age=600)
        assert verify(make(lifetime=3600), url) is not None
        assert verify(make(lifetime=300), url) is None


def test_signature__refuses_every_mutation(signer):
    url = signer.sign(PATH, max_age=600)
    made = mutations(url)
    assert len(made) >= 2000
    assert [other for other in made if verify(signer, other) is not None] == []


def test_signature__is_the_same_within_a_window_and_lives_half_its_life(signer, clock):
    start = NOW // 150 * 150
    urls, lives = set(), []
    for second in range(0, 150, 10):
        clock(start + second)
        url = signer.sign(PATH, max_age=600)
        urls.add(url)
        lives.append(verify(signer, url) - time.time())
    assert len(urls) == 1
    assert (max(lives), min(lives)) == (300, 160)
    clock(start + 150)
    assert signer.sign(PATH, max_age=600) not in urls


def test_signature__of_a_path_with_other_letters(signer):
    url = signer.sign(f"/%C3%A4%20b{PATH}", max_age=600)
    assert verify(signer, url) is not None


SPELLINGS = {
    "as signed": (PATH, True),
    "a letter encoded": (PATH.replace("renditions", "%72enditions"), False),
    "a slash encoded": (PATH.replace("/1/", "%2F1/"), False),
    "another way round": (f"/x/..{PATH}", False),
    "with its host": (f"http://testserver{PATH}", True),
    "another path with a host in it": (f"/http://testserver{PATH}", False),
    "not told": (None, False),
}


@pytest.mark.parametrize("spelling", list(SPELLINGS))
@pytest.mark.parametrize("server", ["raw_path", "RAW_URI", "REQUEST_URI"])
def test_signature__holds_for_one_spelling_of_its_path(signer, server, spelling):
    raw, holds = SPELLINGS[spelling]
    url = signer.sign(PATH, max_age=600)
    query = url.partition("?")[2]
    factory = AsyncRequestFactory() if server == "raw_path" else RequestFactory()
    request = factory.get(url)  # decoded, as servers hand it over
    if server == "raw_path":
        request.scope["raw_path"] = raw and raw.encode("latin-1")
    else:
        del request.META["RAW_URI"]
        request.META[server] = raw and f"{raw}?{query}"
    assert (signer.verify(request) is not None) is holds


@pytest.mark.parametrize("name", ["plain", "%C3%A4%20b", "(a),~b:@c;d=e"])
def test_signature__holds_behind_a_prefix_whoever_takes_it_off(signer, name):
    url = signer.sign(f"/{name}{PATH}", max_age=600)
    whole = RequestFactory().get(url)
    assert signer.verify(whole) is not None
    taken_off = RequestFactory().get(url, RAW_URI=url.removeprefix(f"/{name}"))
    taken_off.path_info = PATH
    assert signer.verify(taken_off) is not None


@pytest.mark.parametrize(
    "query",
    [
        None,
        "",
        f"s=\xe9{'A' * 31}.1800000300",
        f"s=\xe9{'A' * 21}.1800000300.Fri-15-Jan-2027-08-05-00",
        f"s={'A' * 22}.1800000300.Fri-15-Jan-2027-08-05-\xe90",
    ],
)
def test_query__that_is_none_of_ours_is_no_signature(signer, query):
    request = RequestFactory().get(PATH)
    request.META["QUERY_STRING"] = query
    if query is None:  # a server may leave it out (PEP 3333)
        del request.META["QUERY_STRING"]
    assert signer.verify(request) is None


def test_signature__holds_whatever_letters_it_is_made_of(signer):
    urls = [signer.sign(f"/{number}", max_age=600) for number in range(600)]
    assert [url for url in urls if verify(signer, url) is None] == []


@pytest.mark.parametrize(
    ("make", "query"),
    [
        # Reckoned apart from this code. Hosts that sign and hosts that verify may be of
        # different releases, and what verifies the second is nginx.
        (DjangoSigner, "Zm_JTO49myFnlhMAECA0R4v839dLGHs9.1800000300"),
        (
            lambda: SecureLinkSigner(SECRET),
            "1X9jnFgxyk8pB9XxisY9Gg.1800000300.Fri-15-Jan-2027-08-05-00",
        ),
    ],
)
def test_signature__is_the_one_that_other_hosts_make(settings, make, query):
    settings.SECRET_KEY = "k" * 50
    assert make().sign(PATH, max_age=600) == f"{PATH}?s={query}"


def test_django_signer__takes_a_key_of_bytes(settings):
    settings.SECRET_KEY = "k" * 50
    url = DjangoSigner().sign(PATH, max_age=600)
    settings.SECRET_KEY = b"k" * 50
    assert DjangoSigner().sign(PATH, max_age=600) == url


def test_secure_link__works_where_md5_is_not_for_security(monkeypatch):
    """As on machines that are set up for FIPS 140."""
    md5 = hashlib.md5

    def forbidden(content=b"", *, usedforsecurity=True):
        if usedforsecurity:
            raise ValueError("disabled for FIPS")
        return md5(content, usedforsecurity=False)

    monkeypatch.setattr(hashlib, "md5", forbidden)
    signer = SecureLinkSigner(SECRET)
    assert verify(signer, signer.sign(PATH, max_age=600)) is not None


def test_django_signer__knows_its_former_key(settings):
    url = DjangoSigner().sign(PATH, max_age=600)
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "another", [settings.SECRET_KEY]
    assert verify(DjangoSigner(), url) is not None
    settings.SECRET_KEY_FALLBACKS = []
    assert verify(DjangoSigner(), url) is None


def test_signers__do_not_know_each_other():
    assert verify(SecureLinkSigner(SECRET), DjangoSigner().sign(PATH, max_age=1)) is None
    assert verify(DjangoSigner(), SecureLinkSigner(SECRET).sign(PATH, max_age=1)) is None
    assert (
        verify(SecureLinkSigner(SECRET[::-1]), SecureLinkSigner(SECRET).sign(PATH, max_age=1))
        is None
    )


@pytest.mark.parametrize(("max_age", "fresh"), [(600, 300), (60, 60), (1, 1), (0, None)])
def test_secure_link__says_in_http_until_when_it_is_fresh(clock, max_age, fresh):
    start = NOW // 150 * 150
    clock(start)
    _, _, date = SecureLinkSigner(SECRET).sign(PATH, max_age=max_age).rsplit(".", 2)
    day, number, month, year, *clock_parts = date.split("-")
    said = parsedate_to_datetime(f"{day}, {number} {month} {year} {':'.join(clock_parts)} GMT")
    assert said.timestamp() == (0 if fresh is None else start + fresh)


@pytest.mark.parametrize("lifetime", [0, 1, -300, 300.5, "300", None])
def test_lifetime__that_cannot_be_halved_is_refused(lifetime):
    with pytest.raises(ValueError, match="lifetime"):
        DjangoSigner(lifetime=lifetime)
    with pytest.raises(ValueError, match="lifetime"):
        SecureLinkSigner(SECRET, lifetime=lifetime)


@pytest.mark.parametrize("secret", ["", "short", SECRET[:31], SECRET + " x", f" {SECRET}"])
def test_secret__that_is_short_or_has_spaces_is_refused(secret):
    with pytest.raises(ValueError, match="secret"):
        SecureLinkSigner(secret)


# --- CloudFront -------------------------------------------------------------------------------

BASE = "https://d111111abcdef8.cloudfront.net"


def _private_key(kind):
    if kind == "rsa":
        return rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return ec.generate_private_key(ec.SECP256R1())


@pytest.fixture(params=["rsa", "ecdsa"])
def key(request, tmp_path):
    """A private key, written where the signer reads it."""
    made = _private_key(request.param)
    pem = made.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    (tmp_path / "key.pem").write_bytes(pem)
    return made


of_one_kind = pytest.mark.parametrize("key", ["ecdsa"], indirect=True)


def test_cloudfront__signature_verifies_as_amazon_documents(key, tmp_path):
    signer = CloudFrontSigner(BASE, "K123", str(tmp_path / "key.pem"))
    url = signer.sign(PATH, max_age=600)
    resource, _, query = url.partition("?")
    assert resource == BASE + PATH
    values = dict(part.split("=", 1) for part in query.split("&"))
    assert list(values) == ["Expires", "Signature", "Key-Pair-Id", "Hash-Algorithm"]
    assert (values["Key-Pair-Id"], values["Hash-Algorithm"]) == ("K123", "SHA256")
    assert NOW + 150 <= int(values["Expires"]) <= NOW + 300
    condition = {"DateLessThan": {"AWS:EpochTime": int(values["Expires"])}}
    policy = {"Statement": [{"Resource": resource, "Condition": condition}]}
    text = json.dumps(policy, separators=(",", ":")).encode()
    signature = b64decode(values["Signature"].translate(str.maketrans("-_~", "+=/")), validate=True)
    if isinstance(key, rsa.RSAPrivateKey):
        key.public_key().verify(signature, text, padding.PKCS1v15(), hashes.SHA256())
    else:
        key.public_key().verify(signature, text, ec.ECDSA(hashes.SHA256()))
    again = CloudFrontSigner(BASE + "/", "K123", str(tmp_path / "key.pem"))
    assert again.sign(PATH, max_age=1) == url  # another process, the same URL


@pytest.mark.parametrize(
    ("configured", "sent", "holds"),
    [
        (SECRET, SECRET, True),
        (SECRET, SECRET[:-1] + "x", False),
        (SECRET, "", False),
        ("", "", False),
    ],
)
def test_cloudfront__django_trusts_the_origins_secret_alone(tmp_path, configured, sent, holds):
    pem = _private_key("ecdsa").private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    (tmp_path / "key.pem").write_bytes(pem)
    signer = CloudFrontSigner(BASE, "K1", str(tmp_path / "key.pem"), origin_secret=configured)
    request = RequestFactory().get(PATH, RAW_URI=PATH, headers={"X-Images-Origin-Secret": sent})
    assert signer.verify(request) == (NOW if holds else None)
    # Spelled so that CloudFront may have taken it for an address that needs no signature.
    for raw in (PATH.replace("/1/", "%2F1/"), f"/x/..{PATH}", ""):
        request.META["RAW_URI"] = raw
        assert signer.verify(request) is None


@pytest.mark.parametrize("kind", ["rsa 4096", "p-384"])
def test_cloudfront__refuses_keys_that_cloudfront_does_not_know(tmp_path, kind):
    made = (
        rsa.generate_private_key(public_exponent=65537, key_size=4096)
        if kind == "rsa 4096"
        else ec.generate_private_key(ec.SECP384R1())
    )
    pem = made.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    (tmp_path / "key.pem").write_bytes(pem)
    with pytest.raises(ValueError, match="private_key"):
        CloudFrontSigner(BASE, "K1", str(tmp_path / "key.pem"))


@pytest.mark.parametrize("secret", ["short", SECRET[:31]])
def test_cloudfront__refuses_a_short_secret(tmp_path, secret):
    with pytest.raises(ValueError, match="origin_secret"):
        CloudFrontSigner(BASE, "K1", str(tmp_path / "key.pem"), origin_secret=secret)


@pytest.mark.parametrize(
    ("raw", "holds"),
    [
        (PATH, True),
        (f"{PATH}?", True),
        (f"{PATH}?size=1", True),
        (PATH.replace("/1/", "%2F1/"), False),
        (f"/x/..{PATH}", False),
        (PATH.replace("images", "%69mages"), False),
        (f"{PATH}\xe9", False),
        (None, False),
    ],
)
@pytest.mark.parametrize("server", ["raw_path", "RAW_URI", "REQUEST_URI"])
@of_one_kind
def test_cloudfront__reads_the_path_as_each_server_tells_it(key, tmp_path, server, raw, holds):
    """Under ASGI in the scope, in bytes; by gunicorn and by others under names of their own."""
    signer = CloudFrontSigner(BASE, "K1", str(tmp_path / "key.pem"), origin_secret=SECRET)
    factory = AsyncRequestFactory() if server == "raw_path" else RequestFactory()
    request = factory.get(PATH, headers={"X-Images-Origin-Secret": SECRET})
    if server == "raw_path":
        request.scope["raw_path"] = raw if raw is None else raw.encode("latin-1")
    else:
        del request.META["RAW_URI"]
        request.META[server] = raw
    assert signer.verify(request) == (NOW if holds else None)


@of_one_kind
def test_cloudfront__without_the_header_or_a_path_as_spelled_nothing_holds(key, tmp_path):
    signer = CloudFrontSigner(BASE, "K1", str(tmp_path / "key.pem"), origin_secret=SECRET)
    assert signer.verify(RequestFactory().get(PATH, RAW_URI=PATH)) is None
    asked = RequestFactory().get(PATH, headers={"X-Images-Origin-Secret": SECRET})
    del asked.META["RAW_URI"]
    assert signer.verify(asked) is None


@of_one_kind
def test_cloudfront__makes_a_signature_once_and_keeps_a_bounded_number(key, tmp_path, monkeypatch):
    made = []
    make = CloudFrontSigner._make_signature

    def counted(self, url, expires):
        made.append(url)
        return make(self, url, expires)

    monkeypatch.setattr(CloudFrontSigner, "_make_signature", counted)
    monkeypatch.setattr("images_app.signing.cloudfront._KEPT", 2)
    signer = CloudFrontSigner(BASE, "K1", str(tmp_path / "key.pem"))
    for name in ("/a", "/a", "/b", "/a", "/c", "/b"):
        signer.sign(name, max_age=600)
    assert made == [f"{BASE}{name}" for name in ("/a", "/b", "/c", "/b")]
