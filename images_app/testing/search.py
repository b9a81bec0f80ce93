"""One viewer's search for leaks: everything is asked for, in every way, and compared."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.contrib.auth.models import AnonymousUser
from django.test import Client
from django.urls import reverse

from images_app.access import Level, Viewer
from images_app.testing.addresses import (
    BYTES,
    DECISION,
    OWN,
    PAGE,
    Address,
    Subject,
    reachable,
    stored_addresses,
)
from images_app.testing.answers import Answer, Asked, ask, differences
from images_app.testing.shown import shown_problems, stored_names_in

_ANYONE = Viewer(user=AnonymousUser())
_CONDITIONAL = ("GET with If-None-Match", "GET", {"If-None-Match": "*"})
_WAYS: tuple[tuple[str, str, dict[str, str]], ...] = (
    ("GET", "GET", {}),
    ("HEAD", "HEAD", {}),
    ("GET with Range", "GET", {"Range": "bytes=0-0"}),
    _CONDITIONAL,
    ("GET with If-Modified-Since", "GET", {"If-Modified-Since": "Sat, 01 Jan 2050 00:00:00 GMT"}),
)
_PLAIN = _WAYS[:2]
_OTHER_METHODS = ("POST", "PUT", "PATCH", "DELETE", "OPTIONS")
_DUE = {
    PAGE: "404 or the login page",
    BYTES: "404",
    DECISION: "403",
    OWN: "404 or the login page",
}
_REVEALING = ("ETag", "Last-Modified", "Content-Range", "Content-Disposition")


class Search:
    """Asks as one viewer, and notes every leak."""

    def __init__(self, client: Client, user: Any, *, render: bool) -> None:
        self.viewer = _ANYONE if user is None else Viewer(user=user)
        self.name = "anonymous" if user is None else _name(user)
        self.leaks: list[str] = []
        self.requests = 0
        self._client = client
        self._render = render
        self._absent: dict[tuple[str, str], tuple[Asked, Asked]] = {}
        self._decided: dict[Any, bool] = {}

    def visit(self, subject: Subject) -> None:
        """Ask for everything of an image or a gallery."""
        for address in subject.addresses:
            is_due = self._is_reachable(subject.row, self.viewer, address)
            visit = self._visit_open if is_due else self._visit_closed
            visit(subject, address)

    def visit_list(self) -> None:
        """Look at the list of galleries, which is for everybody and different for each."""
        url = reverse("images_app:gallery_list")
        address = Address(name="gallery_list", url=url, sort=PAGE, access=Level.PREVIEW)
        for label, method, headers in _PLAIN:
            answer = self._ask(method, url, headers)
            self._note(label, address, None, self._open_problems(address, answer, for_anyone=False))
        self.try_other_methods(address)

    def visit_other_methods(self, subject: Subject) -> None:
        """Everything that is read only says so, whoever asks."""
        for address in subject.addresses:
            if address.is_read_only:
                self.try_other_methods(address)

    def try_other_methods(self, address: Address) -> None:
        """Try what could only change something."""
        for method in _OTHER_METHODS:
            answer = self._ask(method, address.url)
            is_refused = answer.status == 405 or (address.sort == PAGE and answer.is_login)  # noqa: PLR2004
            if not is_refused:
                self._note(method, address, None, [f"came {answer.status}; due 405"])

    def visit_stored(self, image: Any) -> None:
        """Try the names under which the image's files are kept, as if that were published."""
        for address in stored_addresses(image):
            if self._is_reachable(image, self.viewer, address):
                continue
            answer = self._ask("GET", address.url)
            if answer.is_given:
                problem = f"came {answer.status}; due 404, for no policy was asked"
                self._note("GET", address, image, [problem])

    def _visit_open(self, subject: Subject, address: Address) -> None:
        for_anyone = self._is_reachable(subject.row, _ANYONE, address)
        ways = _WAYS if address.sort == BYTES else _PLAIN
        for label, method, headers in ways if self._sends(address) else [_CONDITIONAL]:
            answer = self._ask(method, address.url, headers)
            problems = [*self._open_problems(address, answer, for_anyone=for_anyone)]
            problems += stored_names_in(answer.text, subject.row)
            self._note(label, address, subject.row, problems)

    def _visit_closed(self, subject: Subject, address: Address) -> None:
        for label, method, headers in _WAYS:
            answer = self._ask(method, address.url, headers)
            asked = Asked(answer=answer, url=address.url, public_id=subject.row.public_id)
            absent = self._absent_of(subject, address, label, method, headers)
            self._note(label, address, subject.row, _closed_problems(address, asked, absent))

    def _absent_of(
        self, subject: Subject, address: Address, label: str, method: str, headers: dict[str, str]
    ) -> tuple[Asked, Asked] | None:
        """Ask the same for two things that are not there, once for all things of a sort."""
        key = (address.name, label)
        if key not in self._absent:
            if not all(address.name in absent.urls for absent in subject.absent):
                return None
            one, other = (
                Asked(
                    answer=self._ask(method, absent.urls[address.name], headers),
                    url=absent.urls[address.name],
                    public_id=absent.public_id,
                )
                for absent in subject.absent
            )
            self._absent[key] = (one, other)
        return self._absent[key]

    def _open_problems(
        self, address: Address, answer: Answer, *, for_anyone: bool
    ) -> Iterator[str]:
        """Name what is amiss with an answer to who may have what they ask for."""
        if not self._is_as_due(address, answer):
            yield f"came {answer.status}; due 200, for the policy gives {address.access.name}"
        if answer.is_given:
            yield from _caching_problems(answer, for_anyone=for_anyone)
            if answer.text:
                yield from shown_problems(answer.text, self.viewer)

    def _is_as_due(self, address: Address, answer: Answer) -> bool:
        if answer.status >= 500:  # noqa: PLR2004
            return False
        if address.sort == OWN:  # which may refuse more than the policy does
            return True
        if address.sort == PAGE:
            return answer.is_given or (answer.is_login and not self.viewer.is_authenticated)
        return answer.is_given or answer.leads_elsewhere

    def _sends(self, address: Address) -> bool:
        return self._render or address.sort != BYTES

    def _is_reachable(self, row: Any, viewer: Viewer, address: Address) -> bool:
        key = (type(row), row.pk, viewer is _ANYONE, address.access, address.watermark)
        if key not in self._decided:
            found = reachable(row, viewer, address.access, address.watermark)
            self._decided[key] = found
        return self._decided[key]

    def _ask(self, method: str, url: str, headers: dict[str, str] | None = None) -> Answer:
        self.requests += 1
        return ask(self._client, method, url, headers)

    def _note(self, label: str, address: Address, row: Any, problems: Any) -> None:
        of = f" of {str(row)!r}" if row is not None else ""
        self.leaks += [
            f"{self.name}: {label} {address.url} ({address.name}{of}): {problem}"
            for problem in problems
        ]


def _closed_problems(
    address: Address, asked: Asked, absent: tuple[Asked, Asked] | None
) -> Iterator[str]:
    """Name what is amiss with an answer to who may not have what they ask for."""
    answer = asked.answer
    may_log_in = address.sort in {PAGE, OWN} and answer.is_login
    is_as_absent = absent is not None and absent[0].answer.status == answer.status
    is_own_refusal = address.sort == OWN and is_as_absent and not answer.is_given
    wanted = 403 if address.sort == DECISION else 404
    if answer.status != wanted and not may_log_in and not is_own_refusal:
        yield (
            f"came {answer.status}; due {_DUE[address.sort]}, "
            f"for the policy does not give {address.access.name}"
        )
    elif absent is not None:
        for difference in differences(asked, *absent):
            yield f"came {answer.status}, but {difference}"
    else:
        for name in _REVEALING:
            if name in answer.headers:
                yield f"came {answer.status} with {name}; due without"


def _caching_problems(answer: Answer, *, for_anyone: bool) -> Iterator[str]:
    """Name what would let a cache give an answer to somebody else."""
    is_public = "public" in answer.cache_control
    if is_public and answer.cookies:
        yield "a public answer sets a cookie"
    if for_anyone:
        return
    if is_public:
        yield "Cache-Control is public; due private, for not everybody may see it"
    if not answer.varies_by_cookie and "no-store" not in answer.cache_control:
        yield "Vary lacks Cookie; due, for not everybody may see it"


def _name(user: Any) -> str:
    flags = {"is_superuser": "superuser", "is_staff": "staff"}
    notes = [note for flag, note in flags.items() if getattr(user, flag, False)]
    notes += [] if user.is_active else ["inactive"]
    return f"{user} ({', '.join(notes)})" if notes else str(user)
