"""What reconciling is asked to do, and what it finds."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """What may be wrong."""

    MISSING = "missing"  # an image whose original is not in its storage
    DAMAGED = "damaged"  # an original with another length or checksum than its record's
    UNREADABLE = "unreadable"  # an original, or a folder of ours, that the storage fails to read
    RENDITION_MISSING = "rendition_missing"
    RENDITION_DRIFTED = "rendition_drifted"  # another length than recorded
    RENDITION_OUTDATED = "rendition_outdated"  # of a former version, or of no preset any more
    STRAY = "stray"  # stored bytes of ours that no record names
    FOREIGN = "foreign"  # a stored file that is none of ours; never touched

    @property
    def can_be_fixed(self) -> bool:
        """Whether fixing makes it right; an original comes from the quarantine or a backup."""
        return self not in {Kind.MISSING, Kind.DAMAGED, Kind.UNREADABLE, Kind.FOREIGN}


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that is wrong."""

    kind: Kind
    storage: str  # its alias
    name: str  # in the storage
    image: int | None = None  # its primary key
    is_fixed: bool = False
    is_in_quarantine: bool = False  # a missing one before, a stray one after it was fixed


@dataclass(frozen=True, kw_only=True)
class Work:
    """What is to be done."""

    fix: bool = False
    checksums: bool = False  # whether to read every original, not only to ask for its length
    older_than: dt.datetime  # strays that are younger may belong to an upload under way
    storages: tuple[str, ...] = ()  # aliases to search for strays, besides those in use
    most: int | None = None  # originals that may go; None: neither many, nor most of what is there


@dataclass(frozen=True, kw_only=True)
class Step:
    """A part that is done, after which one may stop and later go on."""

    stage: str
    after: str  # the last key that was looked at
    number: int  # of rows or files that were looked at
    findings: tuple[Finding, ...] = ()
