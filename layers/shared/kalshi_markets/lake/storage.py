"""Storage of the lake: a bucket of S3, or a folder with the same guarantees. Objects are written once, then kept."""

import os
import uuid
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any, Final, NamedTuple
from urllib.parse import unquote, urlsplit

from kalshi_markets.variables import SettingsError

CONNECT_SECONDS: Final = 5
READ_SECONDS: Final = 10
MAX_ATTEMPTS: Final = 3
_EXISTS: Final = ("PreconditionFailed", "412")
_CONFLICT: Final = ("ConditionalRequestConflict", "409")
_MISSING: Final = ("NoSuchKey", "404")


class LakeError(Exception):
    """Error of the lake. The message says what is wrong and what to do."""


class LakeUnavailable(LakeError):
    """Storage that cannot be read or written now."""


class StoredObject(NamedTuple):
    """Key and size in bytes of an object."""

    key: str
    size: int


class LakeStorage(ABC):
    """Storage of objects by key. Methods raise LakeUnavailable."""

    @abstractmethod
    def put(self, key: str, body: bytes) -> bool:
        """Write an object if its key is free. Return whether it was written. It is then durable and complete."""

    @abstractmethod
    def get(self, key: str) -> bytes | None:
        """Return the body of an object, or None if there is no object of this key."""

    @abstractmethod
    def list(self, prefix: str) -> Iterator[StoredObject]:
        """Yield the objects whose keys start with a prefix, in the order of their keys."""

    def signed_url(self, key: str, seconds: int) -> str | None:  # noqa: ARG002
        """Return a URL that gives access to an object without a login, or None if this storage has none.

        seconds: time until it expires, unless the credentials that sign it expire before.
        """
        return None


class FolderStorage(LakeStorage):
    """Storage in a folder of this machine. A key is a path."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def put(self, key: str, body: bytes) -> bool:
        """Write an object if its key is free. Return whether it was written.

        A complete file gets its name by a hard link, which fails if the name exists.
        """
        path = self.root / key
        with _available(path):
            _make_folder(path.parent)
            temporary = path.parent / f".{path.name}.{uuid.uuid4().hex}"
            try:
                with temporary.open("xb") as file:
                    file.write(body)
                    file.flush()
                    os.fsync(file.fileno())
                try:
                    os.link(temporary, path)
                except FileExistsError:
                    return False
                _sync_folder(path.parent)
                return True
            finally:
                with suppress(FileNotFoundError):
                    temporary.unlink()

    def get(self, key: str) -> bytes | None:
        """Return the body of an object, or None if there is no object of this key."""
        with _available(self.root / key):
            try:
                return (self.root / key).read_bytes()
            except FileNotFoundError:
                return None

    def list(self, prefix: str) -> Iterator[StoredObject]:
        """Yield the objects whose keys start with a prefix, in the order of their keys."""
        with _available(self.root / prefix):
            files = [
                (str(PurePosixPath(file.relative_to(self.root))), file)
                for file in (self.root / PurePosixPath(prefix).parts[0]).rglob("*")
                if file.is_file() and not file.name.startswith(".")
            ]
            for key, file in sorted(files):
                if key.startswith(prefix):
                    yield StoredObject(key, file.stat().st_size)


class S3Storage(LakeStorage):
    """Storage in a bucket of S3, below a prefix."""

    def __init__(self, bucket: str, prefix: str) -> None:
        self._bucket = bucket
        self._prefix = f"{prefix}/" if prefix else ""

    def put(self, key: str, body: bytes) -> bool:
        """Write an object if its key is free. Return whether it was written.

        The condition If-None-Match: * makes S3 the arbiter between two writers: the second one gets a 412, or a 409
        while the first one is writing (docs.aws.amazon.com/AmazonS3, conditional writes).
        """
        for attempt in range(MAX_ATTEMPTS):
            try:
                self._client.put_object(Bucket=self._bucket, Key=self._prefix + key, Body=body, IfNoneMatch="*")
                return True
            except self._client.exceptions.ClientError as error:
                if _code(error) in _EXISTS:
                    return False
                if _code(error) not in _CONFLICT or attempt == MAX_ATTEMPTS - 1:
                    raise _unavailable(f"s3://{self._bucket}/{self._prefix}{key}", error) from error
            except _botocore_error() as error:
                raise _unavailable(f"s3://{self._bucket}/{self._prefix}{key}", error) from error
        raise AssertionError("unreachable")

    def get(self, key: str) -> bytes | None:
        """Return the body of an object, or None if there is no object of this key."""
        try:
            body: bytes = self._client.get_object(Bucket=self._bucket, Key=self._prefix + key)["Body"].read()
            return body
        except self._client.exceptions.ClientError as error:
            if _code(error) in _MISSING:
                return None
            raise _unavailable(f"s3://{self._bucket}/{self._prefix}{key}", error) from error
        except _botocore_error() as error:
            raise _unavailable(f"s3://{self._bucket}/{self._prefix}{key}", error) from error

    def list(self, prefix: str) -> Iterator[StoredObject]:
        """Yield the objects whose keys start with a prefix, in the order of their keys."""
        pages = self._client.get_paginator("list_objects_v2")
        try:
            for page in pages.paginate(Bucket=self._bucket, Prefix=self._prefix + prefix):
                for item in page.get("Contents", ()):
                    yield StoredObject(item["Key"].removeprefix(self._prefix), item["Size"])
        except (self._client.exceptions.ClientError, _botocore_error()) as error:
            raise _unavailable(f"s3://{self._bucket}/{self._prefix}{prefix}", error) from error

    def signed_url(self, key: str, seconds: int) -> str:
        """Return a URL that gives access to an object without a login. It is computed here, without a request."""
        target = {"Bucket": self._bucket, "Key": self._prefix + key}
        try:
            url: str = self._client.generate_presigned_url("get_object", Params=target, ExpiresIn=seconds)
        except _botocore_error() as error:
            raise _unavailable(f"s3://{self._bucket}/{self._prefix}{key}", error) from error
        return url

    @cached_property
    def _client(self) -> Any:
        import boto3  # imported here: it takes 200 ms, and only a lake in S3 needs it
        from botocore.config import Config

        config = Config(
            connect_timeout=CONNECT_SECONDS,
            read_timeout=READ_SECONDS,
            retries={"mode": "standard", "total_max_attempts": 2},
            signature_version="s3v4",  # URLs have version 2 by default, which newer regions and KMS reject
        )
        return boto3.client("s3", config=config)


def open_storage(url: str) -> LakeStorage:
    """Return the storage of a URL: s3://bucket/prefix or file:///folder. Raises SettingsError."""
    parts = urlsplit(url)
    if parts.query or parts.fragment:
        raise SettingsError("LAKE_URL must not have a query or a fragment.")
    if parts.scheme == "s3" and parts.netloc:
        return S3Storage(parts.netloc, parts.path.strip("/"))
    if parts.scheme == "file" and not parts.netloc and parts.path.startswith("/") and parts.path.strip("/"):
        return FolderStorage(Path(unquote(parts.path)))
    raise SettingsError("LAKE_URL must be s3://bucket/prefix or file:///folder.")


def _botocore_error() -> type[Exception]:
    from botocore.exceptions import BotoCoreError

    error: type[Exception] = BotoCoreError
    return error


def _code(error: Any) -> str:
    return str(error.response["Error"]["Code"])


def _unavailable(location: str, error: Exception) -> LakeUnavailable:
    return LakeUnavailable(f"the lake at {location} is unavailable ({type(error).__name__}: {error}).")


@contextmanager
def _available(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise LakeUnavailable(f"the lake at {path} is unavailable ({error.strerror}).") from error


def _make_folder(folder: Path) -> None:
    """Create a folder and its parents. Each new name is durable."""
    if not folder.is_dir():
        _make_folder(folder.parent)
        folder.mkdir(exist_ok=True)
        _sync_folder(folder.parent)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
