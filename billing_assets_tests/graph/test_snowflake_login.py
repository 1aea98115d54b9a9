"""How a user logs in: a key in every form, a secret that holds it, and letters that say nothing of what was given."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from billing_assets.defs.snowflake_resource import SnowflakeExportResource
from billing_assets.domain.errors import BillingError, ConfigurationError

if TYPE_CHECKING:
    from pathlib import Path

PASSPHRASE = "s3ntinel passphrase é"
KEY = rsa.generate_private_key(65537, 2048)
_PLACE = {"account": "acme-1", "user": "EXPORTER", "database": "FINANCE", "schema_name": "PUBLIC"}


def _pem(
    key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey = KEY,
    passphrase: str = "",
    form: serialization.PrivateFormat = serialization.PrivateFormat.PKCS8,
) -> str:
    encryption = (
        serialization.BestAvailableEncryption(passphrase.encode()) if passphrase else serialization.NoEncryption()
    )
    return key.private_bytes(serialization.Encoding.PEM, form, encryption).decode()


PLAIN, ENCRYPTED = _pem(), _pem(passphrase=PASSPHRASE)


def _settings(**fields: Any) -> dict[str, Any]:
    return SnowflakeExportResource(**_PLACE, **fields).complete().connection_settings()


@pytest.mark.parametrize(
    "fields",
    [
        {"private_key": PLAIN},
        {"private_key": _pem(form=serialization.PrivateFormat.TraditionalOpenSSL)},
        {"private_key": PLAIN.replace("\n", "\\n")},
        {"private_key": base64.b64encode(PLAIN.encode()).decode()},
        {"private_key": PLAIN, "private_key_passphrase": "that of another key"},
        {"private_key": ENCRYPTED, "private_key_passphrase": PASSPHRASE},
        {"private_key": ENCRYPTED, "private_key_passphrase": PASSPHRASE, "password": "p", "private_key_path": "/no"},
    ],
    ids=["pem", "traditional", "escaped", "base64", "needless passphrase", "encrypted", "before the password"],
)
def test_a_key_is_taken_in_every_form_and_before_a_password(fields: dict[str, str]) -> None:
    """dagster-snowflake is given the one key, and never a password beside it."""
    settings = _settings(**fields)
    assert settings["private_key"] == PLAIN
    assert "password" not in settings
    assert "private_key_path" not in settings
    assert settings["autocommit"] is True


def test_a_key_file_is_read_encrypted_or_not(tmp_path: Path) -> None:
    """The file's key is the one that is given on."""
    for number, (text, passphrase) in enumerate(((PLAIN, None), (ENCRYPTED, PASSPHRASE))):
        path = tmp_path / f"{number}.p8"
        path.write_text(text)
        settings = _settings(private_key_path=str(path), private_key_passphrase=passphrase)
        assert settings["private_key"] == PLAIN


def test_a_password_is_taken_only_without_a_key() -> None:
    """It is the last resort."""
    settings = _settings(password="s3ntinel")
    assert settings["password"] == "s3ntinel"
    assert "private_key" not in settings


@pytest.mark.parametrize(
    ("fields", "found"),
    [
        ({"private_key": "s3ntinel no key"}, "that are no private key in PEM form"),
        ({"private_key": PLAIN[:300] + PLAIN[330:]}, "that are no private key in PEM form"),
        ({"private_key": ENCRYPTED}, "an encrypted key without its passphrase"),
        ({"private_key": ENCRYPTED, "private_key_passphrase": "s3ntinel"}, "its passphrase does not open it"),
        ({"private_key": _pem(ec.generate_private_key(ec.SECP256R1()))}, "another kind than RSA"),
        ({"private_key_path": "/nowhere/key.p8"}, "No such file or directory"),
        ({"private_key_path": "/"}, "Is a directory"),
    ],
)
def test_a_key_that_can_not_be_used_is_told_without_it(fields: dict[str, str], found: str) -> None:
    """The letter names what is wrong and the variable; neither it nor its causes hold the key or the passphrase."""
    with pytest.raises(ConfigurationError) as caught:
        SnowflakeExportResource(**_PLACE, **fields).connect()
    letter = str(caught.value)
    assert found in letter
    assert "SNOWFLAKE_PRIVATE_KEY" in letter
    assert "s3ntinel" not in letter
    assert not any(line and line in letter for line in fields.get("private_key", "").splitlines())
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


def test_everything_that_is_missing_is_named_at_once() -> None:
    """Nobody sets one variable a run."""
    with pytest.raises(ConfigurationError, match="SNOWFLAKE_ACCOUNT, SNOWFLAKE_USER, SNOWFLAKE_PRIVATE_KEY, SNOW"):
        SnowflakeExportResource().complete()


def _secret(content: object, name: str) -> str:
    boto3.client("secretsmanager").create_secret(
        Name=name, SecretString=content if isinstance(content, str) else json.dumps(content)
    )
    return name


@pytest.fixture
def aws(stack_environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """This process's AWS variables lead to the emulator."""
    for name, value in stack_environment.items():
        if name.startswith("AWS_"):
            monkeypatch.setenv(name, value)


@pytest.mark.usefixtures("aws")
def test_a_secret_of_secrets_manager_holds_the_login(monkeypatch: pytest.MonkeyPatch) -> None:
    """Any spelling of its keys is read; a variable that is set wins; the region may be given as AWS_REGION alone."""
    held = {
        "SNOWFLAKE_ACCOUNT": "acme-2",
        "username": "EXPORTER",
        "private_key": ENCRYPTED,
        "passphrase": PASSPHRASE,
        "database": "FINANCE",
        "Schema": "BILLS",
        "warehouse": "",
        "comment": "made by Anna",
        "port": 443,
    }
    secret = _secret(held, "login/snowflake")
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    resource = SnowflakeExportResource(secret_id=secret, account="acme-1")
    assert resource.target.sql == '"FINANCE"."BILLS"'
    settings = resource.complete().connection_settings()
    assert (settings["account"], settings["user"], settings["private_key"]) == ("acme-1", "EXPORTER", PLAIN)
    assert "warehouse" not in settings
    assert "password" not in settings


@pytest.mark.usefixtures("aws")
@pytest.mark.parametrize(
    ("content", "found"),
    [(None, "there is no such secret"), ("s3ntinel", "no JSON object"), ([1], "no JSON object"), ({}, "not set: SNOW")],
    ids=["absent", "a text", "a list", "empty"],
)
def test_a_secret_that_can_not_be_used_is_told_without_it(content: object, found: str) -> None:
    """The letter names the secret and the remedy, and not what it holds."""
    name = f"login/{found.replace(' ', '-').replace(':', '')}-{len(str(content))}"
    if content is not None:
        _secret(content, name)
    with pytest.raises(BillingError) as caught:
        _ = SnowflakeExportResource(secret_id=name).target
    assert found in str(caught.value)
    assert "SNOWFLAKE_" in str(caught.value)
    assert "s3ntinel" not in str(caught.value)


def test_a_secret_out_of_reach_is_an_error_that_a_retry_can_help(
    stack_environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody answers: the letter says so."""
    for name, value in {**stack_environment, "AWS_ENDPOINT_URL_SECRETS_MANAGER": "http://127.0.0.1:9"}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(BillingError) as caught:
        _ = SnowflakeExportResource(secret_id="login").target
    assert caught.value.retryable
