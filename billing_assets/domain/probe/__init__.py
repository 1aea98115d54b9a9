"""The probe: a handful of random assignments of a real table against every sentence of SPEC.md that they can break.

Source: issue 8. `probing` puts it together, `misfits` says what a misfit is; `records`, `keys`, `lines`, `hashes` and
`amounts` each hold the sentences of one subject, `tables` those of the table itself, `facts` what is merely counted.
Reading the table lives in `billing_assets.stores.probing`, printing in `billing_assets.commands.probe_printed`.
"""

from billing_assets.domain.probe.misfits import Misfit
from billing_assets.domain.probe.probing import ProbeReport, probe
from billing_assets.domain.probe.tables import TableShape

__all__ = ["Misfit", "ProbeReport", "TableShape", "probe"]
