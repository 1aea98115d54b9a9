"""What logs a user in to Snowflake: a private key as text or file, encrypted or not, and a secret that holds it.

Lives here: reading a key and a secret of AWS Secrets Manager (through dagster-aws), each fault told without what it was
given. Lives elsewhere: the connection itself (`snowflake_resource`). Nothing is imported before it is used.
"""

import base64
import binascii
import json
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import dagster as dg

from billing_assets.domain.errors import AccessDeniedError, ConfigurationError
from billing_assets.stores.aws import AwsClients
from billing_assets.stores.aws_errors import as_billing_error, error_code

_KEY_REMEDY = (
    "give the PEM text of the user's RSA private key, as `openssl genrsa 2048 | openssl pkcs8 -topk8 -inform PEM` "
    "writes it (docs/operations.md)"
)
_ATTEMPTS = 3
_DENIED = frozenset({"AccessDeniedException", "AccessDenied", "DecryptionFailure", "KMSAccessDeniedException"})
_OTHER_NAMES = {"username": "user", "passphrase": "private_key_passphrase", "schema": "schema_name"}
SECRET_KEYS = frozenset(
    {
        *("account", "user", "private_key", "private_key_passphrase", "password"),
        *("role", "warehouse", "database", "schema_name", "host", "port", "protocol"),
    }
)
"""What a secret may hold; everything else in it is passed over."""


def read_key_file(path: str) -> bytes:
    """The text of a key file.

    Raises:
        ConfigurationError: It can't be read.
    """
    try:
        return Path(path).expanduser().read_bytes()
    except OSError as error:
        raise ConfigurationError(
            "the private key's file can't be read",
            where=f"SNOWFLAKE_PRIVATE_KEY_PATH, {path}",
            found=error.strerror or type(error).__name__,
            remedy="correct the path, or let the user that runs Dagster read the file",
        ) from None


def plain_key(given: bytes, passphrase: str | None, *, where: str) -> str:
    r"""A private key as dagster-snowflake takes any: PEM text, not encrypted; it is never written anywhere.

    A text whose line ends are written `\n`, as files of variables have them, and base64 of the PEM text are read too.
    A passphrase of a key that needs none is passed over.

    Args:
        given: The key as it was given.
        passphrase: Of an encrypted key.
        where: Where it comes from, for the letter.

    Raises:
        ConfigurationError: It is no RSA private key, or the passphrase is missing or wrong.
    """
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415  # imported when a key is used
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey  # noqa: PLC0415

    pem = _pem_of(given)
    is_encrypted = b"ENCRYPTED" in pem
    if is_encrypted and not passphrase:
        raise _bad_key(where, "an encrypted key without its passphrase", "set SNOWFLAKE_PRIVATE_KEY_PASSPHRASE")
    try:
        key = serialization.load_pem_private_key(pem, (passphrase or "").encode() if is_encrypted else None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        # Parsers quote what they were given: their words stay out, and their exception too.
        if is_encrypted:
            found, remedy = "its passphrase does not open it", f"correct the passphrase; else {_KEY_REMEDY}"
        else:
            found, remedy = f"{len(given)} bytes that are no private key in PEM form", _KEY_REMEDY
        raise _bad_key(where, found, remedy) from None
    if not isinstance(key, RSAPrivateKey):
        raise _bad_key(where, "a key of another kind than RSA, which Snowflake does not take", _KEY_REMEDY)
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


def read_secret(clients: AwsClients, secret_id: str) -> dict[str, str]:
    """What a JSON secret of AWS Secrets Manager holds of a Snowflake login, by the names of our fields.

    Raises:
        ConfigurationError: There is no such secret, or it is no JSON object of texts.
        AccessDeniedError: AWS says no.
        StoreUnavailableError: AWS can't be reached.
    """
    where = f"AWS Secrets Manager, {secret_id} (SNOWFLAKE_SECRET_ID)"
    text = _secret_text(clients, secret_id, where)
    try:
        content = json.loads(text)
    except ValueError:
        content = None
    if not isinstance(content, dict) or not all(isinstance(value, str | int) for value in content.values()):
        raise ConfigurationError(
            "the secret can't be read",
            where=where,
            found="it is no JSON object of texts",
            remedy='store it as {"account": …, "user": …, "private_key": …, "passphrase": …} (docs/operations.md)',
        )
    return _fields_of(content)


def _fields_of(content: Mapping[str, str | int]) -> dict[str, str]:
    """The fields under any of the spellings that people use: `USER`, `username`, `SNOWFLAKE_USER`."""
    plain = {name.lower().removeprefix("snowflake_"): str(value) for name, value in content.items()}
    named = {_OTHER_NAMES.get(name, name): value for name, value in plain.items()}
    return {name: value for name, value in named.items() if name in SECRET_KEYS and value.strip()}


def _secret_text(clients: AwsClients, secret_id: str, where: str) -> str:
    from botocore.exceptions import ClientError  # noqa: PLC0415  # vendor, imported when used

    with as_billing_error(where):
        try:
            return str(_client(clients).get_secret_value(SecretId=secret_id).get("SecretString") or "")
        except ClientError as error:
            code = error_code(error)
            if code == "ResourceNotFoundException":
                raise ConfigurationError(
                    "there is no such secret",
                    where=where,
                    found=code,
                    remedy="correct SNOWFLAKE_SECRET_ID (a name or an ARN), and check AWS_REGION",
                ) from None
            if code in _DENIED:
                raise AccessDeniedError(
                    "AWS denies access to the secret",
                    where=where,
                    found=code,
                    remedy="grant the role secretsmanager:GetSecretValue on it, and kms:Decrypt on its key",
                ) from None
            raise


def _client(clients: AwsClients) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dg.BetaWarning)
        from dagster_aws.secretsmanager import SecretsManagerResource  # noqa: PLC0415  # takes seconds to import

        # It makes a session of its own, to which AWS_REGION alone means nothing.
        return SecretsManagerResource(region_name=clients.session.region_name, max_attempts=_ATTEMPTS).get_client()


def _pem_of(given: bytes) -> bytes:
    text = given.strip().replace(b"\\n", b"\n")
    if not text.startswith(b"-----"):
        try:
            return base64.b64decode(text, validate=False)
        except binascii.Error:
            return text
    return text


def _bad_key(where: str, found: str, remedy: str) -> ConfigurationError:
    return ConfigurationError(
        "the private key of the Snowflake user can't be used", where=where, found=found, remedy=remedy
    )
