"""Who may try to log in: failures are counted by name and address together, and by address."""

from __future__ import annotations

import math
import unicodedata
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any

from axes.handlers.database import AxesDatabaseHandler
from axes.handlers.proxy import AxesProxyHandler
from django.conf import settings
from django.contrib.auth import get_user_model
from django.db.models import Max, Sum
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.crypto import salted_hmac

NOWHERE = "0.0.0.0"  # noqa: S104 (what requests without an address are counted by, all as one)
_SUBSCRIBER_BITS = 64  # of an IPv6 address, which one subscriber has all of (RFC 6177)


@dataclass(frozen=True, kw_only=True)
class _Tally:
    """What was counted by one key, the limit of that key, and when the latest failure was."""

    failures: int
    limit: int
    latest: datetime | None

    @property
    def is_full(self) -> bool:
        return self.failures >= self.limit


class LoginThrottle(AxesDatabaseHandler):  # type: ignore[misc]  # axes has no types
    """Locks a name at one address, and an address, each at its own limit.

    Never a name alone: whoever knows it could lock its owner out, from anywhere.
    """

    def get_failures(self, request: HttpRequest, credentials: Any = None) -> int:
        """Answer with the fuller count, scaled to the one limit that axes compares it with."""
        limit: int = settings.AXES_FAILURE_LIMIT
        tallies = self._tallies(request, credentials)
        return max(tally.failures * limit // tally.limit for tally in tallies)

    def reset_user_attempts(self, request: HttpRequest, credentials: Any = None) -> int:
        """Forget the failures of who has logged in, and of nobody else at that address.

        Or an account of one's own would open an address again, to guess at the others.
        """
        by_name_and_address, _ = self.filter_user_attempts(request, credentials)
        count, _ = by_name_and_address.delete()
        return int(count)

    def user_logged_out(self, *_: object, **__: object) -> None:
        """Do nothing: axes would complete its log of logins, of which there is none."""

    def seconds_left(self, request: HttpRequest) -> int:
        """Answer with how long it takes at most until the lock is open."""
        tallies = self._tallies(request, request.axes_credentials)  # type: ignore[attr-defined]
        latest = [tally.latest for tally in tallies if tally.is_full and tally.latest]
        if not latest:  # it has opened just now
            return 1
        passed: timedelta = request.axes_attempt_time - max(latest)  # type: ignore[attr-defined]
        return max(1, math.ceil((settings.AXES_COOLOFF_TIME - passed).total_seconds()))

    def _tallies(self, request: HttpRequest, credentials: Any) -> list[_Tally]:
        limits = (settings.AXES_FAILURE_LIMIT, settings.LOGIN_FAILURES_PER_ADDRESS)
        found = []
        counted = self.get_user_attempts(request, credentials)
        for attempts, limit in zip(counted, limits, strict=True):
            row = attempts.aggregate(failures=Sum("failures_since_start"), at=Max("attempt_time"))
            found.append(_Tally(failures=row["failures"] or 0, limit=limit, latest=row["at"]))
        return found


def name_key(request: HttpRequest, credentials: Any = None) -> str:
    """Answer with what a user name is counted by.

    Not the name itself: it would be kept as it was typed, and passwords are typed there too.
    Case and spelling are taken out, for some databases find a user by any of them.
    """
    name = (credentials or {}).get(get_user_model().USERNAME_FIELD) or ""
    text = unicodedata.normalize("NFKC", str(name)).casefold()
    return salted_hmac("project.login", text, algorithm="sha256").hexdigest()


def client_address(request: HttpRequest) -> str:
    """Answer with the address that failures are counted by.

    Each proxy adds to the end of X-Forwarded-For whom it was asked by. All before what our own
    proxies have added is a claim of the client's, who could have a new address each time.
    """
    proxies = settings.TRUSTED_PROXIES
    claims = request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")
    forwarded = claims[-proxies] if 0 < proxies <= len(claims) else ""
    return _subscriber(forwarded) or _subscriber(request.META.get("REMOTE_ADDR") or "") or NOWHERE


def _subscriber(text: str) -> str | None:
    """Answer with an IPv4 address, or with the first of an IPv6 subscriber's; None for others."""
    try:
        address: IPv4Address | IPv6Address = ip_address(text.strip())
    except ValueError:
        return None
    if isinstance(address, IPv4Address):
        return str(address)
    if address.ipv4_mapped:  # what a socket for both calls an IPv4 client
        return str(address.ipv4_mapped)
    return str(IPv6Address(int(address) >> _SUBSCRIBER_BITS << _SUBSCRIBER_BITS))


def too_many_failures(request: HttpRequest, *_: object) -> HttpResponse:
    """Answer with the page that says so: the same for any name, and for the right password."""
    seconds = AxesProxyHandler.get_implementation().seconds_left(request)
    response = render(request, "429.html", {"minutes": math.ceil(seconds / 60)}, status=429)
    response.headers["Retry-After"] = str(seconds)
    response.headers["Cache-Control"] = "no-store"
    return response
