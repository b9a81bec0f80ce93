"""The user of a session: whatever Django would say, and nothing that it would not."""

from __future__ import annotations

import pytest
from django.contrib.auth import SESSION_KEY, get_user
from django.contrib.auth.backends import AllowAllUsersModelBackend, ModelBackend
from django.contrib.auth.middleware import AuthenticationMiddleware
from django.contrib.auth.models import AnonymousUser
from django.db.models import Value
from django.test import RequestFactory
from django.utils.functional import SimpleLazyObject

from images_app.models import prepared as prepared_module
from images_app.views.session_user import session_user

pytestmark = pytest.mark.django_db
MODEL_BACKEND = "django.contrib.auth.backends.ModelBackend"


class OwnBackend(ModelBackend):
    """Finds users in a way of its own."""

    def get_user(self, user_id):
        user = super().get_user(user_id)
        user.found_by = "own backend"
        return user


@pytest.fixture
def user(make_user):
    return make_user("someone")


@pytest.fixture
def request_of(client):
    """A request as Django's middleware leaves it, for who is logged in by a client."""

    def make(user=None, backend=MODEL_BACKEND):
        prepared_module._prepared.clear()
        if user is not None:
            client.force_login(user, backend=backend)
        request = RequestFactory().get("/")
        request.session = client.session
        AuthenticationMiddleware(lambda request: None).process_request(request)
        return request

    return make


def test_user__is_djangos_by_one_query(user, request_of, django_assert_num_queries):
    session_user(request_of(user))
    request = request_of(user)
    session_user(request_of(user))  # prepared
    request.session.keys()
    with django_assert_num_queries(1):
        found = session_user(request)
        assert (found, type(found)) == (user, type(user))
        assert request.user.pk == found.pk  # the same object, without another query
        assert session_user(request) == found
    assert {k: v for k, v in vars(found).items() if k != "_state"} == {
        k: v for k, v in vars(get_user(request)).items() if k != "_state"
    }


def test_nobody__is_anonymous(request_of):
    assert session_user(request_of()) == AnonymousUser()


def test_deleted__is_anonymous(user, request_of):
    request = request_of(user)
    user.delete()
    assert session_user(request) == AnonymousUser()


def test_inactive__is_anonymous_unless_the_backend_lets_them_in(user, request_of, settings):
    request = request_of(user)
    user.is_active = False
    user.save()
    assert session_user(request) == AnonymousUser()
    path = f"{AllowAllUsersModelBackend.__module__}.{AllowAllUsersModelBackend.__name__}"
    settings.AUTHENTICATION_BACKENDS = [path]
    assert session_user(request_of(user, path)) == user


def test_password__changed_elsewhere_ends_the_session(user, request_of):
    request = request_of(user)
    user.set_password("another")
    user.save()
    assert session_user(request) == AnonymousUser()
    assert SESSION_KEY not in request.session  # flushed, by Django itself


def test_key__that_was_replaced_is_djangos_affair(user, request_of, settings):
    request = request_of(user)
    settings.SECRET_KEY_FALLBACKS, settings.SECRET_KEY = [settings.SECRET_KEY], "another key" * 5
    assert session_user(request) == user
    settings.SECRET_KEY_FALLBACKS = []
    assert session_user(request_of()) == AnonymousUser()


def test_backend__of_ones_own_is_asked(user, request_of, settings):
    path = f"{__name__}.OwnBackend"
    settings.AUTHENTICATION_BACKENDS = [path]
    assert session_user(request_of(user, path)).found_by == "own backend"


def test_backend__that_is_not_listed_any_more_knows_nobody(user, request_of, settings):
    request = request_of(user)
    settings.AUTHENTICATION_BACKENDS = [f"{__name__}.OwnBackend"]
    assert session_user(request) == AnonymousUser()


def test_user__that_another_middleware_put_there_stays(user, make_user, request_of):
    other = make_user("impersonated")
    for put in (other, SimpleLazyObject(lambda: other)):
        request = request_of(user)
        request.user = put
        assert session_user(request) == other


def test_user__that_was_looked_at_already_stays(user, request_of, django_assert_num_queries):
    request = request_of(user)
    assert request.user.is_authenticated
    with django_assert_num_queries(0):
        assert session_user(request) == user


def narrowed(manager, queryset):
    """A manager whose users are those of a queryset."""

    class Narrowed(type(manager)):
        def get_queryset(self):
            return queryset()

    found = Narrowed()
    found.model = manager.model
    return found


def test_manager__of_ones_own_is_asked_each_time(user, make_user, request_of, monkeypatch):
    """A tenant's, say: what it leaves out must not be kept from the first request on."""
    other, model = make_user("other"), type(user)
    plain, tenant = model._default_manager, ["someone"]
    mine = narrowed(plain, lambda: plain.get_queryset().filter(username__in=tenant))
    monkeypatch.setitem(vars(model._meta), "default_manager", mine)
    assert session_user(request_of(user)) == user
    assert session_user(request_of(other)) == AnonymousUser()
    tenant[:] = ["other"]
    assert session_user(request_of(user)) == AnonymousUser()
    assert session_user(request_of(other)) == other


def test_manager__that_adds_something_is_djangos_affair(user, request_of, monkeypatch):
    plain = type(user)._default_manager
    more = narrowed(plain, lambda: plain.get_queryset().annotate(added=Value("more")))
    monkeypatch.setitem(vars(type(user)._meta), "default_manager", more)
    assert session_user(request_of(user)).added == "more"


def test_user__that_django_has_been_told_stays(user, request_of):
    request = request_of(user)
    request._cached_user = AnonymousUser()
    assert session_user(request) == AnonymousUser()
