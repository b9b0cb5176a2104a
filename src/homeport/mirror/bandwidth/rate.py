"""Which rate holds when: a base rate, and windows of the week in a time zone. Pure."""

from datetime import datetime
from zoneinfo import ZoneInfo

from msgspec import Struct

from homeport.mirror.model.config import WindowConfig

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_DAY = 1440


class Rate(Struct, frozen=True, kw_only=True):
    """Bytes per second; `base` None is unlimited. The slowest of the windows that hold counts, and
    it stands in the place of `base`."""

    base: int | None = None
    windows: tuple[WindowConfig, ...] = ()
    zone: ZoneInfo | None = None

    def at(self, now: float) -> int | None:
        """The rate at a time (seconds since 1970)."""
        if not self.windows:
            return self.base
        here = datetime.fromtimestamp(now, self.zone or ZoneInfo("UTC"))
        minute, day = here.hour * 60 + here.minute, here.weekday()
        rates = [window.rate for window in self.windows if _holds(window, day, minute)]
        return min(rates) if rates else self.base

    @property
    def limits(self) -> bool:
        """Whether it ever does."""
        return self.base is not None or bool(self.windows)


def _holds(window: WindowConfig, day: int, minute: int) -> bool:
    """A window belongs to the day on which it starts, also past midnight."""
    if window.start < window.stop:
        return _named(window, day) and window.start <= minute < window.stop
    late = _named(window, day) and minute >= window.start
    return late or (_named(window, (day - 1) % 7) and minute < window.stop % _DAY)


def _named(window: WindowConfig, day: int) -> bool:
    return not window.days or DAYS[day] in window.days
