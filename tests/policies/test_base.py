"""What policies answer with besides querysets."""

from __future__ import annotations

from dataclasses import FrozenInstanceError

import pytest

from images_app.access import Level
from images_app.policies import Reason


def test_reason__is_a_value():
    reason = Reason(way="owner", access=Level.VIEW)
    assert {reason, Reason(way="owner", access=Level.VIEW)} == {reason}
    with pytest.raises(FrozenInstanceError):
        reason.access = Level.ORIGINAL
    with pytest.raises(TypeError):
        Reason("owner", Level.VIEW)
