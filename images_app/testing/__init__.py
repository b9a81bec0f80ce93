"""For the tests of a host: a contract for its own policy, and a search for leaks in its URLs."""

from __future__ import annotations

from images_app.testing.no_leaks import assert_no_leaks
from images_app.testing.policy_contract import PolicyContract
from images_app.testing.world import World

__all__ = ["PolicyContract", "World", "assert_no_leaks"]
