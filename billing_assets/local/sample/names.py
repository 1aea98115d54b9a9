"""The invented world of the sample: properties, services, vendors, towns, accounts. Nothing here exists.

Only names and the few numbers that belong to a name live here; what a bill says is in `lines`.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from random import Random


@dataclass(frozen=True, slots=True)
class Service:
    """A utility as a bill line names it; a blank utility is a fee of no utility."""

    utility: str
    charge_code: str
    gl_code: str
    gl_name: str
    unit: str


@dataclass(frozen=True, slots=True)
class Property:
    """An invented apartment community."""

    property_id: str
    name: str
    town: str
    zipcode: str


@dataclass(frozen=True, slots=True)
class Account:
    """A vendor's account at a property: what one bill is about."""

    number: str
    vendor_id: str
    vendor_name: str
    owner: Property
    services: tuple[Service, ...]


WATER: Final = Service("Water", "WTR", "6110-01", "Water Expense", "KGAL")
SEWER: Final = Service("Sewer", "SWR", "6120-01", "Sewer Expense", "KGAL")
GAS: Final = Service("Gas", "GAS", "6130-02", "Gas - House Meters", "THERM")
POWER: Final = Service("Electricity", "ELE", "6140-02", "Electricity - Vacant Units", "KWH")
TRASH: Final = Service("Trash", "TRS", "6150-03", "Trash Removal", "PICKUP")
FEE: Final = Service("", "ADM", "6190-09", "Utility Administration Fee", "EACH")

_BUNDLES: Final = (
    ((WATER, SEWER), "V-201", "Bluewater Municipal Works"),
    ((POWER,), "V-202", "Lanternfield Light & Power"),
    ((TRASH, FEE), "V-203", "Tumbledown Haulage Cooperative"),
    ((GAS,), "V-204", "Emberwick Gas Board"),
    ((WATER,), "V-205", "Three Springs Water District of Fennick"),
    ((SEWER, TRASH), "V-206", "Lower Tarn Sanitation"),
)
_FIRST: Final = (
    *("Heron", "Kestrel", "Willowmere", "Thistle", "Foxglove", "Larkspur", "Otterbank", "Juniper"),
    *("Marigold", "Sandpiper"),
)
_SECOND: Final = ("Court", "Terrace", "Commons", "Mews")
_TOWNS: Final = ("Fennick", "Lower Tarn", "Quillbrook", "Port Ansible", "Sunder Hollow", "Marrowgate", "Upper Tarn")

PROPERTIES: Final = tuple(
    Property(f"P-{1001 + n}", f"{first} {second}", _TOWNS[n % len(_TOWNS)], f"{n % len(_TOWNS) + 1:05d}")
    for n, (second, first) in enumerate(product(_SECOND, _FIRST))
)

REVIEWERS: Final = tuple(f"reviewer-{n}" for n in range(1, 10))
NOTES: Final = (
    "checked against the meter list",
    "split as agreed with the site",
    "moved from last month",
    "señalado por la oficina — ver factura",
    "second reading used",
)


def accounts(rng: Random, count: int) -> list[Account]:
    """Invent accounts, property after property, so that the first ones already cover all properties.

    A property has up to three kinds of bill; further accounts of it repeat them, as further meters would.
    """
    invented = []
    for n in range(count):
        nth_property, nth_account = n % len(PROPERTIES), n // len(PROPERTIES)
        services, vendor_id, vendor_name = _BUNDLES[(nth_property + 2 * (nth_account % 2)) % len(_BUNDLES)]
        number = f"{rng.randrange(10**3):03d}-{n:05d}-{rng.randrange(10)}"
        invented.append(Account(number, vendor_id, vendor_name, PROPERTIES[nth_property], services))
    return invented
