"""What AWS says when it refuses, in words that name the cause and the remedy, and whether a retry can help."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from billing_assets.domain.errors import (
    AccessDeniedError,
    BillingError,
    ConfigurationError,
    StoreUnavailableError,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

THROTTLING = frozenset(
    {
        "SlowDown",
        "Throttling",
        "ThrottlingException",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "TooManyRequestsException",
        "TransactionInProgressException",
    }
)
_TRANSIENT = THROTTLING | {"InternalError", "InternalServerError", "ServiceUnavailable", "RequestTimeout", "503", "500"}
_UNKNOWN_TO_AWS = frozenset(
    {
        "InvalidAccessKeyId",
        "SignatureDoesNotMatch",
        "UnrecognizedClientException",
        "InvalidClientTokenId",
        "AuthFailure",
        "MissingAuthenticationToken",
        "IncompleteSignature",
        "InvalidSignatureException",
    }
)
EXPIRED = frozenset({"ExpiredToken", "ExpiredTokenException", "RequestExpired", "TokenRefreshRequired"})


class CredentialsError(AccessDeniedError):
    """AWS does not know who asks, so no right is to blame: none, unknown or expired credentials."""


def error_code(error: Exception) -> str:
    """The code of a botocore `ClientError`, `""` for any other exception."""
    response: dict[str, Any] = getattr(error, "response", None) or {}
    return str(response.get("Error", {}).get("Code", ""))


def http_status(error: Exception) -> int:
    """The HTTP status of a botocore `ClientError`, 0 if there was none."""
    response: dict[str, Any] = getattr(error, "response", None) or {}
    return int(response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def _message(error: Exception) -> str:
    response: dict[str, Any] = getattr(error, "response", None) or {}
    return str(response.get("Error", {}).get("Message") or "")


@contextlib.contextmanager
def as_billing_error(where: str) -> Iterator[None]:
    """Turn what botocore raises inside the block into a letter; other exceptions pass."""
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415  # vendor, imported when used
    from botocore.parsers import ResponseParserError  # noqa: PLC0415
    from urllib3.exceptions import HTTPError  # noqa: PLC0415

    try:
        yield
    except ClientError as error:
        raise _of_answer(error, where) from error
    except BotoCoreError as error:
        raise _of_client(error, where) from error
    except (ResponseParserError, HTTPError) as error:
        # Neither of the two is botocore's own: the second comes of an error answer whose text breaks off.
        raise unavailable(where, "an answer that is cut short or garbled") from error


def unavailable(where: str, found: str) -> StoreUnavailableError:
    """The letter for what a later try may get."""
    return StoreUnavailableError(
        "AWS could not answer, again and again",
        where=where,
        found=found,
        remedy="run again in some minutes; if it stays, see the AWS health page, and lower BILLING_S3_REQUESTS or set "
        "BILLING_READ_UNITS_PER_SECOND where AWS says to slow down",
    )


def _of_answer(error: Exception, where: str) -> BillingError:
    code, status = error_code(error), http_status(error)
    if code in _TRANSIENT or status >= 500 or status == 429:
        return unavailable(where, f"{code} (HTTP {status})")
    if code in EXPIRED:
        return CredentialsError(
            "the AWS credentials have expired", where=where, found=code, remedy="log in again, then run again"
        )
    if code in _UNKNOWN_TO_AWS:
        return CredentialsError(
            "AWS does not know the credentials",
            where=where,
            found=code,
            remedy="check AWS_PROFILE, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (`aws sts get-caller-identity`)",
        )
    return _of_refusal(error, where)


def _of_refusal(error: Exception, where: str) -> BillingError:
    code, status, message = error_code(error), http_status(error), _message(error)
    found = f"{code} (HTTP {status})" + (f"\n{message}" if message else "")
    if code == "NoSuchBucket":
        return ConfigurationError(
            "there is no such bucket",
            where=where,
            found=code,
            remedy="set BILLING_BUCKET to the bucket that the Bill Review app writes to, and check AWS_REGION",
        )
    if code == "ResourceNotFoundException" or (code == "ValidationException" and "specified index" in message):
        return ConfigurationError(
            "there is no such table or index",
            where=where,
            found=found,
            remedy="set BILLING_ASSIGNMENTS_TABLE (BILLING_ASSIGNMENTS_INDEX, …) to what exists, and check AWS_REGION",
        )
    if status in {401, 403} or "AccessDenied" in code or "NotAuthorized" in code:
        return AccessDeniedError(
            "AWS denies access",
            where=where,
            found=found,
            rule="S3 answers 403 for a key that doesn't exist, too, where listing the bucket is not allowed",
            remedy="grant the role s3:GetObject, s3:PutObject and s3:ListBucket on the bucket and dynamodb:Scan, "
            "dynamodb:Query and dynamodb:DescribeTable on the tables (docs/operations.md has the policy)",
        )
    return ConfigurationError(
        "AWS refuses the request",
        where=where,
        found=found,
        remedy="see the AWS documentation of that code; `billing-assets` sends nothing unusual, so a setting is wrong",
    )


def _of_client(error: Exception, where: str) -> BillingError:
    from botocore import exceptions  # noqa: PLC0415  # vendor, imported when used

    if isinstance(error, exceptions.NoCredentialsError | exceptions.PartialCredentialsError):
        return CredentialsError(
            "there are no AWS credentials",
            where=where,
            found=type(error).__name__,
            remedy="set AWS_PROFILE or log in (`aws sso login`); for the embedded stack use `make demo`",
        )
    if isinstance(error, exceptions.TokenRetrievalError | exceptions.SSOError | exceptions.CredentialRetrievalError):
        return CredentialsError(
            "the AWS credentials can't be renewed",
            where=where,
            found=type(error).__name__,
            remedy="log in again (`aws sso login`), then run again",
        )
    if isinstance(error, exceptions.NoRegionError | exceptions.ProfileNotFound | exceptions.InvalidRegionError):
        return ConfigurationError(
            "the AWS configuration is incomplete",
            where=where,
            found=str(error),
            remedy="set AWS_REGION (and AWS_PROFILE, if you use one) to what `aws configure list` shows",
        )
    damaged = exceptions.IncompleteReadError | exceptions.ChecksumError | exceptions.FlexibleChecksumError
    if isinstance(error, damaged):
        return unavailable(where, str(error))
    if isinstance(error, exceptions.HTTPClientError | exceptions.ConnectionError):
        return StoreUnavailableError(
            "AWS can't be reached",
            where=where,
            found=str(error),
            remedy="check the network and AWS_ENDPOINT_URL, AWS_ENDPOINT_URL_S3 and AWS_ENDPOINT_URL_DYNAMODB",
        )
    return ConfigurationError(
        "the AWS client refuses the request", where=where, found=str(error), remedy="correct the setting it names"
    )
