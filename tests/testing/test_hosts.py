"""Hosts run what the documentation shows: with an image model of their own, by manage.py test."""

from __future__ import annotations

import re

import pytest

from tests.models.test_swapped import ROOT, URLS, make_project, run, story

__all__ = ["run"]  # the fixture
MODELS = """
from django.db import models
from images_app.models import AbstractImage


class Photo(AbstractImage):
    published_at = models.DateTimeField(null=True, blank=True)

    class Meta(AbstractImage.Meta):
        permissions = [("download_photo", "Can download")]
"""
SETTINGS = """
IMAGES_APP_IMAGE_MODEL = "host.Photo"
INSTALLED_APPS += ["guardian"]
IMAGES_APP = {"POLICY": {"BACKEND": "host.policy.ShopPolicy"}}
SILENCED_SYSTEM_CHECKS = ["guardian.W001"]
"""
MORE_TESTS = """

from datetime import timedelta
from django.utils import timezone
from guardian.shortcuts import assign_perm
from images_app import Level, Viewer
from images_app.contrib.guardian import GuardianPolicy
from host.models import Photo


class TestPublished(TestShopPolicy):
    def make_policy(self):
        return WithKinds()

    def make_image(self, name, owner, galleries, **kwargs):
        image = super().make_image(name, owner, galleries, **kwargs)
        if name == "loose image":
            image.published_at = timezone.now() - timedelta(days=1)
            image.save()
        return image

    def is_public(self, row):
        return getattr(row, "published_at", None) is not None

    def test_world__has_something_published(self):
        self.world
        stranger = Viewer(user=self.make_user("x"))
        [image] = self.make_policy().images(stranger, Photo.objects.all(), Level.VIEW)
        assert image.title == "loose image"


class TestGuardian(PolicyContract, TestCase):
    def make_policy(self):
        return GuardianPolicy(original="download")

    def is_public(self, row):
        return False

    def make_world(self):
        world = super().make_world()
        member, image = world.viewers["member"], world.images["loose image"]
        for permission, level in (("view_photo", Level.VIEW), ("download_photo", Level.ORIGINAL)):
            assign_perm(permission, member.user, image)
            [seen] = self.make_policy().images(member, Photo.objects.all(), Level.PREVIEW)
            assert (seen.pk, seen.viewer_level) == (image.pk, level)
        return world


class TestLeakyUrls(TestCase):
    def test_urls__leak(self):
        TestShopUrls.test_urls__have_no_leaks(self)
        urls = [lambda image: f"/leak/{image.public_id}"]
        with self.assertRaisesRegex(AssertionError, r"stranger: GET /leak/.*came 200; due 404"):
            assert_no_leaks(client_for, urls=urls, render=False)
"""
# Of the contract for guardian's policy, what depends on the names of a host's own model.
LABELS = [
    "TestPublished",
    "TestShopUrls",
    "TestLeakyUrls",
    "TestGuardian.test_policy__annotates_what_is_true",
    "TestGuardian.test_policy__names_kinds_of_viewers_that_are_alike",
]
LEAKY_URLS = URLS.replace('path("", include', 'path("pictures/", include').replace(
    "urlpatterns = [",
    """
from django.http import HttpResponse

urlpatterns = [
    path("leak/<uuid:public_id>", lambda request, public_id: HttpResponse("secret")),
    """,
)


def block(name: str, first_line: str) -> str:
    """A block of Python in a how-to, by its first line."""
    text = (ROOT / "docs" / "how-to" / name).read_text()
    found = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    return next(each for each in found if each.startswith(first_line))


def test_documentation__works_as_it_stands(tmp_path, run):
    pytest.importorskip("guardian")
    make_project(tmp_path, settings=SETTINGS, models=MODELS)
    policy = block("own-policy.md", "# shop/policy.py")
    tests = block("test-your-project.md", "# shop/tests.py").replace("from shop.", "from host.")
    (tmp_path / "host" / "policy.py").write_text(policy)
    kinds = "\n\nclass WithKinds(ShopPolicy):\n" + block("own-policy.md", "    def viewer_kind")
    (tmp_path / "host" / "tests.py").write_text(tests + kinds + MORE_TESTS)
    (tmp_path / "urls.py").write_text(LEAKY_URLS)
    run("-m", "django", "makemigrations", "host")
    run("-m", "django", "test", *(f"host.tests.{label}" for label in LABELS))


def test_documentation__speaks_of_public_names(tmp_path, run):
    """Importing the package costs a host nothing but Django."""
    make_project(tmp_path, models="")
    found = run(*story("import sys, images_app.testing; print('pytest' in sys.modules)"))
    assert found == "False\n"
