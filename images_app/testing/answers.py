"""Asking, and comparing two answers as whoever receives them could."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlsplit
from uuid import UUID

from django.conf import settings
from django.shortcuts import resolve_url
from django.test import Client

NOT_MODIFIED = 304
# One value for each: Django's masked tokens and the nonces of a policy differ with each answer.
_VOLATILE = re.compile(
    rb"""(?:(name=["']csrfmiddlewaretoken["'][^>]*value=|nonce=)["'][^"']*["'])"""
)
_LONGEST = 60  # characters of what differs


@dataclass(frozen=True, kw_only=True)
class Answer:
    """All of an answer that a client can see."""

    status: int
    headers: Mapping[str, str]
    cookies: frozenset[str] = frozenset()
    body: bytes = field(repr=False)

    @property
    def is_given(self) -> bool:
        """Whether it carries, or confirms, what was asked for."""
        return self.status // 100 == 2 or self.status == NOT_MODIFIED  # noqa: PLR2004

    @property
    def is_login(self) -> bool:
        """Whether it sends to the login page."""
        target = self.headers.get("Location", "")
        return self.status // 100 == 3 and (  # noqa: PLR2004
            urlsplit(target).path == urlsplit(resolve_url(settings.LOGIN_URL)).path
        )

    @property
    def leads_elsewhere(self) -> bool:
        """Whether it sends to where the bytes are, such as an object store."""
        return self.status in {302, 303, 307} and not self.is_login

    @property
    def cache_control(self) -> set[str]:
        """The directives, without their values."""
        given = self.headers.get("Cache-Control", "").lower()
        return {part.partition("=")[0].strip() for part in given.split(",")}

    @property
    def varies_by_cookie(self) -> bool:
        """Whether caches keep it apart for each session."""
        given = self.headers.get("Vary", "").lower()
        return bool({"cookie", "*"} & {part.strip() for part in given.split(",")})

    @property
    def text(self) -> str:
        """The body of a page; empty for anything else."""
        is_page = self.headers.get("Content-Type", "").startswith("text/html")
        return self.body.decode(errors="replace") if is_page else ""


def ask(client: Client, method: str, url: str, headers: Mapping[str, str] | None = None) -> Answer:
    """Send one request and read the whole answer; an error of a view is an answer too."""
    client.raise_request_exception = False
    secure = bool(settings.SECURE_SSL_REDIRECT)
    given: Any = {"RAW_URI": url}  # as it was sent, or no signature holds
    response: Any = client.generic(method, url, secure=secure, headers=dict(headers or {}), **given)
    # Read to its end, for then Django's client leaves the connection of a test alone.
    body = b"".join(response.streaming_content) if response.streaming else response.content
    return Answer(
        status=response.status_code,
        headers=dict(response.headers),
        cookies=frozenset(response.cookies),
        body=body,
    )


@dataclass(frozen=True, kw_only=True)
class Asked:
    """An answer, with what it was asked by."""

    answer: Answer
    url: str
    public_id: UUID


def differences(asked: Asked, absent: Asked, another: Asked) -> list[str]:
    """Name what tells an answer from that for something which is not there.

    What differs between two things that are not there (a date, the number of a request)
    tells nothing, and does not count.
    """
    seen, due = _seen(asked), _seen(absent)
    noise = _unlike(_seen(another), due)
    return [
        f"its {name} ({_shown(seen.get(name))}) is not that for an absent one "
        f"({_shown(due.get(name))})"
        for name in sorted(_unlike(seen, due) - noise)
    ]


def _unlike(one: Mapping[str, Any], other: Mapping[str, Any]) -> set[str]:
    return {name for name in {*one, *other} if one.get(name) != other.get(name)}


def _seen(asked: Asked) -> dict[str, Any]:
    """Answer with all parts by their names, with what names the thing itself taken out."""
    answer = asked.answer
    headers = {
        f"header {name}": _without_names(value.encode(), asked)
        for name, value in answer.headers.items()
    }
    body = _without_names(_VOLATILE.sub(rb"\1", answer.body), asked)
    return {"status": answer.status, "body": body, "cookies": sorted(answer.cookies), **headers}


def _without_names(text: bytes, asked: Asked) -> bytes:
    for name in (asked.url, quote(asked.url), str(asked.public_id), asked.public_id.hex):
        text = text.replace(name.encode(), b"ID")
    return text


def _shown(value: Any) -> str:
    text = value.decode(errors="replace") if isinstance(value, bytes) else str(value)
    return (
        "none"
        if value is None
        else repr(text if len(text) <= _LONGEST else f"{text[:_LONGEST]}...")
    )
