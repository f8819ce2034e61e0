"""What every page needs to know about the installation, taken from the settings of this start."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from zoneinfo import ZoneInfo

from commensal.core.principals import Door
from commensal.faces.face import load_faces
from commensal.faces.kit.request import Request

__all__ = ["Site", "served_doors", "site_of"]


@dataclass(frozen=True, slots=True)
class Site:
    """The installation as its visitors see it. ``base`` has no slash at the end."""

    base: str
    version: str
    demo: bool
    anonymous: bool
    registration: str
    support: str
    mails: bool
    self_service: bool
    min_count: int
    zone: ZoneInfo

    @property
    def host(self) -> str:
        """Host and port of the base address."""
        return self.base.partition("://")[2]

    @property
    def https(self) -> bool:
        """Whether people reach this server by https."""
        return self.base.startswith("https:")


@cache
def _version() -> str:
    return version("commensal")


@cache
def served_doors() -> frozenset[Door]:
    """Return the doors that this server answers at."""
    return frozenset(face.door for face in load_faces())


def site_of(request: Request) -> Site:
    """Gather the facts for a request."""
    # Without a database there are no services yet, but errors are still pages.
    settings = getattr(request.services, "settings", None)
    if settings is None:
        return Site(
            base=request.exchange.base,
            version=_version(),
            demo=False,
            anonymous=False,
            registration="closed",
            support=request.exchange.support_contact,
            mails=False,
            self_service=False,
            min_count=0,
            zone=ZoneInfo("UTC"),
        )
    return Site(
        base=request.exchange.base.rstrip("/") or settings.url,
        version=_version(),
        demo=settings.demo,
        anonymous=settings.anonymous,
        registration=settings.registration,
        support=settings.support_contact,
        mails=bool(settings.smtp),
        self_service=settings.self_service,
        min_count=settings.min_count,
        zone=ZoneInfo(settings.timezone),
    )
