"""How the export reaches Snowflake: dagster-snowflake's own resource, made only when a connection is opened.

Importing dagster-snowflake takes seconds, which every code server and step process would pay for (DESIGN.md decisions 6
and 18). Credentials are given by the names of their variables, so that no secret stands in configuration or events.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import dagster as dg
from pydantic import Field

from billing_assets.domain.errors import ConfigurationError
from billing_assets.settings import SNOWFLAKE_VARIABLES
from billing_assets.stores.snowflake.identifiers import SnowflakeTarget

_LOGIN_SECONDS = 30
_NETWORK_SECONDS = 300


class SnowflakeExportResource(dg.ConfigurableResource):
    """Connections to the schema of the master bills' tables."""

    account: str | None = Field(default=None, description="Account identifier.")
    user: str | None = Field(default=None, description="User that exports.")
    private_key: str | None = Field(default=None, description="PEM text of the user's private key.")
    private_key_path: str | None = Field(default=None, description="File that holds the PEM text.")
    private_key_passphrase: str | None = Field(default=None, description="Passphrase of an encrypted key.")
    password: str | None = Field(default=None, description="Password, only where there is no key.")
    role: str | None = Field(default=None, description="Role; the user's default if not given.")
    warehouse: str | None = Field(default=None, description="Warehouse; the user's default if not given.")
    database: str | None = Field(default=None, description="Database of the tables.")
    schema_name: str | None = Field(default=None, description="Schema of the tables.")
    host: str | None = Field(default=None, description="Only for an emulator.")
    port: str | None = Field(default=None, description="Only for an emulator.")
    protocol: str | None = Field(default=None, description="Only for an emulator.")

    @classmethod
    def from_variables(cls, variables_set: frozenset[str]) -> "SnowflakeExportResource":
        """The resource, each field given the name of its variable if that is set."""
        fields: dict[str, Any] = {
            _field_of(name): dg.EnvVar(name) for name in SNOWFLAKE_VARIABLES if name in variables_set
        }
        return cls(**fields)

    @property
    def target(self) -> SnowflakeTarget:
        """Database and schema, refused if they are no plain names."""
        self._require(database=self.database, schema=self.schema_name)
        return SnowflakeTarget(database=self.database or "", schema=self.schema_name or "")

    def connect(self) -> AbstractContextManager[Any]:
        """A new connection, made through dagster-snowflake."""
        self._require(account=self.account, user=self.user)
        has_key = bool(self.private_key or self.private_key_path)
        if not has_key:
            self._require(private_key=self.password)
        from dagster_snowflake import SnowflakeResource  # noqa: PLC0415  # takes seconds to import

        target = self.target
        given: dict[str, Any] = {
            "account": self.account,
            "user": self.user,
            "role": self.role,
            "warehouse": self.warehouse,
            "database": target.database_name,
            "schema": target.schema_name,
            "private_key": self.private_key,
            "private_key_path": None if self.private_key else self.private_key_path,
            "private_key_password": self.private_key_passphrase if has_key else None,
            "password": None if has_key else self.password,
            # Without it dagster-snowflake commits once more when the block ends; transactions are the store's own.
            "autocommit": True,
            "login_timeout": _LOGIN_SECONDS,
            "network_timeout": _NETWORK_SECONDS,
            "additional_snowflake_connection_args": self._additional(),
        }
        resource = SnowflakeResource(**{name: value for name, value in given.items() if value is not None})
        connection: AbstractContextManager[Any] = resource.get_connection()
        return connection

    @property
    def connector(self) -> Callable[[], AbstractContextManager[Any]]:
        """`connect`, as the store wants it."""
        return self.connect

    def _additional(self) -> dict[str, Any]:
        # The connector changes the dict of session parameters that it is given: a fresh one for each connection.
        additional: dict[str, Any] = {"session_parameters": {}, "application": "billing_assets"}
        additional |= {"host": self.host} if self.host else {}
        additional |= {"port": int(self.port)} if self.port else {}
        return additional | ({"protocol": self.protocol} if self.protocol else {})

    def _require(self, **values: str | None) -> None:
        missing = [f"SNOWFLAKE_{name.upper()}" for name, value in values.items() if not value]
        if missing:
            raise ConfigurationError(
                "Snowflake is not configured",
                where="the environment",
                found=f"not set: {', '.join(missing)}",
                remedy="set the SNOWFLAKE_ variables of docs/operations.md (a private key, else a password), "
                "or deselect snowflake_master_bills",
            )


def _field_of(variable: str) -> str:
    name = variable.removeprefix("SNOWFLAKE_").lower()
    return "schema_name" if name == "schema" else name
