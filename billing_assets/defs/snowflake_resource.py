"""How the export reaches Snowflake: dagster-snowflake's own resource, made only when a connection is opened.

Importing dagster-snowflake takes seconds, which every code server and step process would pay for (DESIGN.md decisions 6
and 18). Credentials are given by the names of their variables, so that no secret stands in configuration or events.
"""

import contextlib
import importlib
import threading
from contextlib import AbstractContextManager
from typing import Any

import dagster as dg
from pydantic import Field

from billing_assets.defs.light_snowflake import snowflake_resource_class
from billing_assets.defs.resources import aws_clients
from billing_assets.defs.snowflake_credentials import SECRET_KEYS, plain_key, read_key_file, read_secret
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
    secret_id: str | None = Field(default=None, description="Secret of AWS Secrets Manager that holds any of these.")
    host: str | None = Field(default=None, description="Only for an emulator.")
    port: str | None = Field(default=None, description="Only for an emulator.")
    protocol: str | None = Field(default=None, description="Only for an emulator.")

    @classmethod
    def from_variables(cls, variables_set: frozenset[str]) -> "SnowflakeExportResource":
        """The resource, each field given the name of its variable if that is set."""
        fields: dict[str, Any] = {
            cls.field_of(name): dg.EnvVar(name) for name in SNOWFLAKE_VARIABLES if name in variables_set
        }
        return cls(**fields)

    @staticmethod
    def field_of(variable: str) -> str:
        """The field that a variable gives."""
        name = variable.removeprefix("SNOWFLAKE_").lower()
        return "schema_name" if name == "schema" else name

    def setup_for_execution(self, context: dg.InitResourceContext) -> None:  # noqa: ARG002  # Dagster's signature
        """Begin the imports of an export while the run's first steps wait for DynamoDB and S3."""
        # Not a daemon: an interpreter that ends in the middle of an import may crash.
        threading.Thread(target=_import_ahead, name="import-snowflake").start()

    @property
    def target(self) -> SnowflakeTarget:
        """Database and schema, refused if they are no plain names."""
        login = self.complete()
        return SnowflakeTarget(database=login.database or "", schema=login.schema_name or "")

    def complete(self) -> "SnowflakeExportResource":
        """The same with what its secret holds; a variable that is set wins over the secret.

        Raises:
            ConfigurationError: The secret can't be read, or something is still missing; all of it is named.
            AccessDeniedError: AWS says no.
        """
        fields = SECRET_KEYS | {"private_key_path"}
        given: dict[str, Any] = {name: value for name in fields if (value := getattr(self, name))}
        held = read_secret(aws_clients(), self.secret_id) if self.secret_id else {}
        if "private_key_path" in given:
            held.pop("private_key", None)
        login = SnowflakeExportResource(**{**held, **given})
        login._require_all()
        return login

    def connect(self) -> AbstractContextManager[Any]:
        """A new connection, made through dagster-snowflake; it closes only after a success (`open_session` does more).

        Raises:
            ConfigurationError: A setting is missing, or the key can't be used.
            AccessDeniedError: AWS denies the secret.
        """
        login = self.complete()
        resource = snowflake_resource_class()(**login.connection_settings())
        connection: AbstractContextManager[Any] = resource.get_connection()
        return connection

    def connect_to_look(self, seconds: int) -> AbstractContextManager[Any]:
        """A new connection for a person who waits, by the driver itself: dagster-snowflake takes seconds to import.

        Args:
            seconds: For which the login, and then each answer, is waited for.

        Raises:
            ConfigurationError: A setting is missing, or the key can't be used.
            AccessDeniedError: AWS denies the secret.
        """
        from cryptography.hazmat.primitives import serialization  # noqa: PLC0415  # vendor, imported when used
        from snowflake.connector import connect  # noqa: PLC0415  # takes a second to import

        settings = self.complete().connection_settings()
        settings |= settings.pop("additional_snowflake_connection_args")
        if key := settings.pop("private_key", None):
            settings["private_key"] = serialization.load_pem_private_key(key.encode(), None).private_bytes(
                serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        settings |= {"login_timeout": seconds, "network_timeout": seconds}
        return contextlib.nullcontext(connect(**settings))

    def connection_settings(self) -> dict[str, Any]:
        """What dagster-snowflake is given; holds secrets."""
        key = self._key()
        settings: dict[str, Any] = {
            "account": self.account,
            "user": self.user,
            "role": self.role,
            "warehouse": self.warehouse,
            "database": self.target.database_name,
            "schema": self.target.schema_name,
            "private_key": key,
            "password": None if key else self.password,
            # Without it dagster-snowflake commits once more when the block ends; transactions are the store's own.
            "autocommit": True,
            "login_timeout": _LOGIN_SECONDS,
            "network_timeout": _NETWORK_SECONDS,
            "additional_snowflake_connection_args": self._additional(),
        }
        return {name: value for name, value in settings.items() if value is not None}

    def _additional(self) -> dict[str, Any]:
        # The connector changes the dict of session parameters that it is given: a fresh one for each connection.
        additional: dict[str, Any] = {"session_parameters": {}, "application": "billing_assets"}
        additional |= {"host": self.host} if self.host else {}
        additional |= {"port": int(self.port)} if self.port else {}
        return additional | ({"protocol": self.protocol} if self.protocol else {})

    def _key(self) -> str | None:
        if self.private_key:
            return plain_key(self.private_key.encode(), self.private_key_passphrase, where="SNOWFLAKE_PRIVATE_KEY")
        if self.private_key_path:
            return plain_key(
                read_key_file(self.private_key_path),
                self.private_key_passphrase,
                where=f"SNOWFLAKE_PRIVATE_KEY_PATH, {self.private_key_path}",
            )
        return None

    def _require_all(self) -> None:
        needed = {
            "ACCOUNT": self.account,
            "USER": self.user,
            "PRIVATE_KEY": self.private_key or self.private_key_path or self.password,
            "DATABASE": self.database,
            "SCHEMA": self.schema_name,
        }
        missing = [f"SNOWFLAKE_{name}" for name, value in needed.items() if not value]
        if missing:
            raise ConfigurationError(
                "Snowflake is not configured",
                where="the environment",
                found=f"not set: {', '.join(missing)}",
                remedy="set the SNOWFLAKE_ variables of docs/operations.md (a private key, else a password; or a "
                "secret that holds them), or deselect snowflake_master_bills",
            )


def _import_ahead() -> None:
    # Whoever needs what can't be imported meets the same error, and tells it.
    with contextlib.suppress(ImportError):
        importlib.import_module("snowflake.connector.pandas_tools")
        snowflake_resource_class()
