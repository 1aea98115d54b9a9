"""How the text of a setting is read: what it may be, and what is said of a text that is none.

Each raises `ValueError` with what is wrong; `settings` names the variable.
"""

from __future__ import annotations

import datetime as dt
import re
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from billing_assets.domain.periods import Month, PeriodError

if TYPE_CHECKING:
    from collections.abc import Callable


def bare_name(text: str) -> str:
    """A bucket, table or index."""
    if not re.fullmatch(r"[A-Za-z0-9._:/-]+", text):
        raise ValueError("is no name of a bucket, table or index")
    return text


def object_key(text: str) -> str:
    """An S3 key."""
    if text.startswith("/") or not text.strip():
        raise ValueError("is no S3 key: it must not be blank or begin with a slash")
    return text


def object_prefix(text: str) -> str:
    """An S3 prefix."""
    if not object_key(text).endswith("/"):
        raise ValueError("is no S3 prefix: it must end with a slash")
    return text


def share(text: str) -> Decimal:
    """A share from 0 to 1."""
    try:
        share = Decimal(text)
    except InvalidOperation:
        raise ValueError("is no number from 0 to 1, such as 0.05") from None
    if not share.is_finite() or not 0 <= share <= 1:
        raise ValueError("is no number from 0 to 1, such as 0.05")
    return share


def multiple(text: str) -> Decimal:
    """A share of 0 or more."""
    try:
        multiple = Decimal(text)
    except InvalidOperation:
        raise ValueError("is no number of 0 or more, such as 0.50") from None
    if not multiple.is_finite() or multiple < 0:
        raise ValueError("is no number of 0 or more, such as 0.50")
    return multiple


def whole_from(least: int) -> Callable[[str], int]:
    """A whole number from the least one on."""

    def parse(text: str) -> int:
        if not re.fullmatch(r"[0-9]{1,9}", text) or int(text) < least:
            raise ValueError(f"is no whole number of {least} or more")
        return int(text)

    return parse


def month(text: str) -> Month:
    """A month, YYYY-MM."""
    try:
        return Month.from_key(text)
    except PeriodError:
        raise ValueError("is no month written YYYY-MM") from None


def day_of_month(text: str) -> int:
    """A day that every month has."""
    if not re.fullmatch(r"[0-9]{1,2}", text) or not 1 <= int(text) <= 28:
        raise ValueError("is no day that every month has, 1 to 28")
    return int(text)


def time_of_day(text: str) -> dt.time:
    """A time of day."""
    if not re.fullmatch(r"([01][0-9]|2[0-3]):[0-5][0-9]", text):
        raise ValueError("is no time of day written HH:MM")
    return dt.time.fromisoformat(text)


def time_zone(text: str) -> ZoneInfo:
    """A time zone by its IANA name."""
    try:
        return ZoneInfo(text)
    except (ValueError, OSError, KeyError):
        raise ValueError("is no time zone, such as America/New_York") from None


def cron(text: str) -> str:
    """A cron expression."""
    if not re.fullmatch(r"[0-9*,/-]+( [0-9A-Za-z*,/#-]+){4}", text):
        raise ValueError("is no cron expression of five fields, such as 15 5 * * *")
    return text


def switch(text: str) -> bool:
    """On or off."""
    if text not in {"on", "off"}:
        raise ValueError("is neither on nor off")
    return text == "on"


def url(text: str) -> str:
    """An address, without credentials; blank for none."""
    if text and not re.fullmatch(r"https?://[^\s@]+", text):
        raise ValueError("is no http:// or https:// address without credentials")
    return text.rstrip("/")


def storage(text: str) -> str:
    """A folder, or a bucket with a prefix."""
    if re.match(r"s3://[^/]", text) or ":" not in text:
        return text.rstrip("/")
    raise ValueError("is neither a folder nor s3://bucket/prefix")
