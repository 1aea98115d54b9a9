"""The accounts to track, in both of the app's spellings, and the cached list that nearly fills its item.

Accounts say what is expected in a period, never what is billed: no assignment depends on this file.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from billing_assets.local.sample.names import Account

CACHE_BYTES: Final = 399_700
"""Size of the cached list at full scale; the item may have 409,600 bytes with its names and keys."""
_ACCOUNTS_AT_FULL_SCALE: Final = 1378
_REMARK: Final = "invented account, reviewed with the site team; bill comes by post and is scanned on arrival; "


def accounts_to_track(accounts: Sequence[Account], billed: int) -> list[dict[str, Any]]:
    """The list as the app keeps it: the first `billed` accounts are the expected ones, a few are listed twice.

    Odd ones among them: without a property, not tracked, unknown days between bills, listed again as not expected.
    """
    listed = []
    for n, account in enumerate(accounts):
        # An account listed twice takes the place of the last one, so that the count stays what was asked for.
        again = n == len(accounts) - 1
        listed.append(_listed(accounts[0] if again else account, n, is_ubi=n < billed and not again))
    _fill(listed)
    return listed


def cache_of(accounts: Sequence[dict[str, Any]]) -> str:
    """The cached list: as many accounts as fit, because the app's writes fail silently beyond the limit."""
    return _compact(accounts[:_ACCOUNTS_AT_FULL_SCALE])


def _compact(accounts: Sequence[dict[str, Any]]) -> str:
    return json.dumps(accounts, separators=(",", ":"))


def _listed(account: Account, n: int, *, is_ubi: bool) -> dict[str, Any]:
    days: Any = (30, "30", 31, 0, "", "60", 91)[n % 7]
    service = account.services[0]
    if n % 3:
        listed: dict[str, Any] = {
            "accountNumber": account.number,
            "propertyId": account.owner.property_id,
            "propertyName": account.owner.name,
            "vendorId": account.vendor_id,
            "vendorName": account.vendor_name,
            "glAccountNumber": service.gl_code,
            "glAccountName": service.gl_name,
            "daysBetweenBills": days,
            "is_ubi": is_ubi,
        }
    else:
        listed = {
            "account_number": f" {account.number}" if n % 60 == 0 else account.number,
            "property_id": account.owner.property_id,
            "property_name": account.owner.name,
            "vendor_id": account.vendor_id,
            "vendor_name": account.vendor_name,
            "gl_account": service.gl_code,
            "gl_account_name": service.gl_name,
            "days_between_bills": days,
            "ubi_tracking": is_ubi,
        }
    if n % 50 == 7:
        listed["propertyId" if n % 3 else "property_id"] = ""
    if n % 4:
        listed["is_tracked"] = n % 41 != 1
    listed["comment"] = ""
    return listed


def _fill(listed: list[dict[str, Any]]) -> None:
    """Lengthen the comments until the first accounts, those that the cache holds, make up its size to the byte."""
    cached = listed[:_ACCOUNTS_AT_FULL_SCALE]
    missing = CACHE_BYTES * len(cached) // _ACCOUNTS_AT_FULL_SCALE - len(_compact(cached))
    for n, account in enumerate(listed):
        length, longer = divmod(missing, len(cached))
        wanted = length + (n < longer)
        account["comment"] += (_REMARK * (wanted // len(_REMARK) + 1))[:wanted]
