"""Intermediate data between assets: one Parquet file per asset and partition, written whole."""

from typing import Any

import dagster as dg
from pydantic import Field

from billing_assets.defs.failures import failure_of
from billing_assets.domain.errors import ConfigurationError
from billing_assets.domain.period_tables import AccountsToTrack, AssignmentsOfPeriod, ResolvedPeriod
from billing_assets.settings import aws_variables
from billing_assets.stores import parquet
from billing_assets.stores.aws import shared_clients
from billing_assets.stores.intermediate import IntermediateStore

_DECODERS: dict[Any, Any] = {
    AssignmentsOfPeriod: parquet.decode_assignments,
    ResolvedPeriod: parquet.decode_resolved,
    AccountsToTrack: parquet.decode_accounts,
}


class ParquetIOManager(dg.ConfigurableIOManager):
    """Keeps what an asset returns under `<storage>/<asset>/<partition>.parquet`."""

    storage_uri: str = Field(description="A folder, or s3://bucket/prefix.")

    @property
    def store(self) -> IntermediateStore:
        """The place itself."""
        return IntermediateStore(self.storage_uri, lambda: shared_clients(aws_variables()).s3)

    def handle_output(self, context: dg.OutputContext, obj: Any) -> None:
        """Write one partition's table in place of an earlier one."""
        name = _name_of(context)
        content = parquet.encode(obj)
        self.store.write(name, content)
        context.add_output_metadata(
            {"path": dg.MetadataValue.path(self.store.uri_of(name)), "size_bytes": len(content)}
        )

    def load_input(self, context: dg.InputContext) -> Any:
        """Read one partition's table."""
        name = _name_of(context)
        content = self.store.read(name)
        if content is None:
            raise failure_of(
                ConfigurationError(
                    "the table above this asset has not been made for this period",
                    where=self.store.uri_of(name),
                    remedy=f"materialize {context.asset_key.to_user_string()} for it first",
                )
            )
        return _DECODERS[context.dagster_type.typing_type](content)


def _name_of(context: dg.InputContext | dg.OutputContext) -> str:
    folder = "/".join(context.asset_key.path)
    return f"{folder}/{context.asset_partition_key}.parquet" if context.has_asset_partitions else f"{folder}.parquet"
