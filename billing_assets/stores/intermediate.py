"""Where intermediate Parquet lives: a folder or `s3://…`; a file is there whole or not at all.

Source: DESIGN.md decision 12. What the files hold lives in `parquet`.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from billing_assets.domain.errors import ConfigurationError
from billing_assets.stores.aws_errors import as_billing_error
from billing_assets.stores.small_objects import list_keys, read_bytes

if TYPE_CHECKING:
    from collections.abc import Callable

    from types_boto3_s3 import S3Client


class IntermediateStore:
    """Files by name below one place.

    Args:
        uri: A folder, or `s3://bucket/prefix`.
        s3: Gives the S3 client; asked only if the place is in S3.
    """

    def __init__(self, uri: str, s3: Callable[[], S3Client]) -> None:
        self._uri = uri.rstrip("/")
        self._s3 = s3
        bucket, _, prefix = self._uri.removeprefix("s3://").partition("/")
        self._bucket, self._prefix = (bucket, prefix.strip("/")) if self._uri.startswith("s3://") else ("", "")

    def uri_of(self, name: str) -> str:
        """Where a file is, for people."""
        return f"{self._uri}/{name}"

    def write(self, name: str, content: bytes) -> None:
        """Put a whole file in place of the one that may be there."""
        if self._bucket:
            with as_billing_error(self.uri_of(name)):
                self._s3().put_object(Bucket=self._bucket, Key=self._key(name), Body=content)
            return
        path = Path(self._uri) / name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            _replace(path, content)
        except OSError as error:
            raise ConfigurationError(
                "intermediate data can't be written",
                where=str(path),
                found=str(error),
                remedy="set BILLING_STORAGE_URI to a folder (or s3://…) that may be written, with room on it",
            ) from error

    def read(self, name: str) -> bytes | None:
        """A file's content, or None if there is none."""
        if self._bucket:
            return read_bytes(self._s3(), self._bucket, self._key(name), self.uri_of(name))
        path = Path(self._uri) / name
        try:
            return path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise ConfigurationError(
                "intermediate data can't be read",
                where=str(path),
                found=str(error),
                remedy="set BILLING_STORAGE_URI to a folder (or s3://…) that may be read and holds nothing else",
            ) from error

    def names(self, folder: str) -> list[str]:
        """The files that stand in a folder, in order; none if there is no such folder."""
        if self._bucket:
            prefix = self._key(f"{folder}/")
            keys = list_keys(self._s3(), self._bucket, prefix, self.uri_of(folder))
            return sorted(f"{folder}/{name}" for key in keys if (name := key.removeprefix(prefix)) and "/" not in name)
        path = Path(self._uri) / folder
        try:
            # A file that is being written has a name with a dot in front.
            return sorted(f"{folder}/{file.name}" for file in path.iterdir() if not file.name.startswith("."))
        except FileNotFoundError:
            return []
        except OSError as error:
            raise ConfigurationError(
                "intermediate data can't be listed",
                where=str(path),
                found=str(error),
                remedy="set BILLING_STORAGE_URI to a folder (or s3://…) that may be read and holds nothing else",
            ) from error

    def _key(self, name: str) -> str:
        return f"{self._prefix}/{name}" if self._prefix else name


def _replace(path: Path, content: bytes) -> None:
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            # Else a power cut may leave the new name without its content.
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
