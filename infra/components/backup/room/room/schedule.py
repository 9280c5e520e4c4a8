"""When a day's backup is due. Pure: a day counts by its date in the stack's time zone, so no clock change doubles it."""

from collections.abc import Collection
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

# A run that failed is tried again after so long: soon enough for the same night, not so often that it is a load.
RETRY = timedelta(minutes=30)


def local_day(moment: datetime, zone: str) -> date:
    """The date on which a moment falls in the zone."""
    return moment.astimezone(ZoneInfo(zone)).date()


def due_day(now: datetime, zone: str, at: str) -> date:
    """The newest day whose time has come: today once it is `at` there, else yesterday.

    It compares wall clocks. Where `at` is skipped in spring, the first moment after the gap counts; where it comes twice
    in autumn, it is the same date both times.
    """
    local = now.astimezone(ZoneInfo(zone))
    reached = local.time().replace(tzinfo=None) >= time.fromisoformat(at)
    return local.date() if reached else local.date() - timedelta(days=1)


def is_due(
    now: datetime, zone: str, at: str, done: Collection[date], last_failure: datetime | None = None
) -> date | None:
    """The day that needs a run now, or None.

    @param done the days that have a backup. A day ahead of the clock says nothing about today: the clock was wrong then.
    """
    day = due_day(now, zone, at)
    if day in done:
        return None
    # A failure ahead of the clock is from a wrong clock as well, and must not hold anything back.
    if last_failure is not None and last_failure <= now < last_failure + RETRY:
        return None
    return day
