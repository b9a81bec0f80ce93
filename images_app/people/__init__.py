"""People who leave: what is theirs is exported, handed over or deleted, and nothing stays open."""

from __future__ import annotations

from images_app.people.belongings import Belongings, count_belongings, galleries_of, images_of
from images_app.people.deleting import delete_person
from images_app.people.exporting import Exported, ExportedImage, export_person
from images_app.people.handing_over import HandedOver, hand_over

__all__ = [
    "Belongings",
    "Exported",
    "ExportedImage",
    "HandedOver",
    "count_belongings",
    "delete_person",
    "export_person",
    "galleries_of",
    "hand_over",
    "images_of",
]
