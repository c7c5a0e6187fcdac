"""A store in an S3 bucket, through the minio client."""

from __future__ import annotations

import io
import os
import random
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, TypeVar
from urllib.parse import urlsplit

from minio.commonconfig import CopySource
from minio.datatypes import Object
from minio.error import S3Error
from urllib3.exceptions import ProtocolError

from medseg.errors import NotFoundError, StorageError
from medseg.storage.embedded import FOLDER_VARIABLE, is_being_replaced
from medseg.storage.files import naming, write_whole
from medseg.storage.s3_client import client, endpoint_url
from medseg.storage.s3_errors import FAULTS, error_code, full, named_error, no_bucket
from medseg.storage.store import Store, StoredObject, check_key

T = TypeVar("T")

ATTEMPTS = 4
PAUSE_S = 0.2
# One part is held in memory per transfer: 128 MiB for 16. Ten thousand parts, S3's most, make 80 GiB.
PART_BYTES, MAX_PARTS = 8 * 2**20, 10_000
CHUNK_BYTES = 2**20


class S3Store(Store):
    """Objects of a bucket under a prefix.

    Requests are repeated by the client (see s3_client); here only what shows later: an answer that breaks off.
    """

    def __init__(self, uri: str) -> None:
        parts = urlsplit(uri)
        if not parts.netloc:
            raise StorageError(f"{uri}: names no bucket; write s3://bucket or s3://bucket/prefix")
        self.uri = uri.rstrip("/")
        self._bucket = parts.netloc
        self._prefix = f"{parts.path.strip('/')}/" if parts.path.strip("/") else ""
        self._endpoint = endpoint_url()
        self._client = client(self._endpoint)
        self._embedded_folder = os.environ.get(FOLDER_VARIABLE)
        self._bucket_seen = False

    def put_bytes(self, key: str, data: bytes) -> None:
        self._put(key, io.BytesIO(data), len(data))

    def put_file(self, path: Path, key: str) -> None:
        with naming(str(path)):
            source = path.open("rb")
        with source:
            self._put(key, source, path.stat().st_size)

    def get_bytes(self, key: str) -> bytes:
        return self._call(key, lambda: b"".join(self._stream(key)))

    def get_file(self, key: str, path: Path) -> None:
        def download(file: BinaryIO) -> None:
            file.seek(0)
            file.truncate()
            file.writelines(self._stream(key))

        write_whole(path, lambda file: self._call(key, lambda: download(file)))

    def read_range(self, key: str, offset: int, length: int) -> bytes:
        if length <= 0:
            return b""
        try:
            return self._call(key, lambda: b"".join(self._stream(key, offset, length)))
        except StorageError as error:
            if error.__cause__ and error_code(error.__cause__) == "InvalidRange":
                return b""
            raise

    def copy(self, key: str, to: str) -> None:
        source = CopySource(self._bucket, self._name(key))
        self._call(key, lambda: self._client.copy_object(self._bucket, self._name(to), source))

    def exists(self, key: str) -> bool:
        try:
            self._call(key, lambda: self._client.stat_object(self._bucket, self._name(key)))
        except NotFoundError:
            self._check_bucket()
            return False
        return True

    def list(self, prefix: str = "") -> list[StoredObject]:
        def request() -> list[StoredObject]:
            found = self._client.list_objects(self._bucket, prefix=self._prefix + prefix, recursive=True)
            return [self._stored(item) for item in found if not item.is_dir]

        return sorted(self._call(prefix, request), key=lambda item: item.key)

    def delete(self, key: str) -> None:
        self._call(key, lambda: self._client.remove_object(self._bucket, self._name(key)))

    def _name(self, key: str) -> str:
        return self._prefix + check_key(key, self.uri)

    def _stored(self, item: Object) -> StoredObject:
        # the embedded server gives no ETag: it would have to read every file for it
        tag = item.etag or f"{item.last_modified and item.last_modified.isoformat()}-{item.size}"
        return StoredObject((item.object_name or "").removeprefix(self._prefix), item.size or 0, tag)

    def _put(self, key: str, source: BinaryIO, size: int) -> None:
        part_bytes = max(PART_BYTES, -(-size // MAX_PARTS))

        def upload() -> None:
            source.seek(0)
            # one part after the other: transfers run beside each other already, and memory stays bounded
            self._client.put_object(
                self._bucket, self._name(key), source, size, part_size=part_bytes, num_parallel_uploads=1
            )

        try:
            self._call(key, upload)
        except StorageError as error:
            self._name_full_disk(size, error)
            raise

    def _stream(self, key: str, offset: int = 0, length: int = 0) -> Iterator[bytes]:
        response = self._client.get_object(self._bucket, self._name(key), offset=offset, length=length)
        try:
            yield from response.stream(CHUNK_BYTES)
        finally:
            response.close()
            response.release_conn()

    def _call(self, key: str, request: Callable[[], T]) -> T:
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return request()
            except FAULTS as error:
                if attempt == ATTEMPTS or not self._may_pass(key, error):
                    uri = f"{self.uri}/{key}" if key else self.uri
                    raise named_error(error, uri, self._bucket, self._endpoint) from error
            time.sleep(PAUSE_S * random.uniform(1, 1.5) * 2 ** (attempt - 1))
        raise AssertionError("the last attempt returns or raises")

    def _may_pass(self, key: str, error: Exception) -> bool:
        code = error_code(error)
        if self._embedded_folder and code == "NoSuchKey":
            return is_being_replaced(Path(self._embedded_folder, self._bucket, self._name(key)))
        return isinstance(error, ProtocolError) or code == "RequestTimeout"

    def _check_bucket(self) -> None:
        """Tell a missing bucket, a fault of the set-up, from a missing object: a HEAD request does not."""
        if self._bucket_seen:
            return
        try:
            found = self._call("", lambda: self._client.bucket_exists(self._bucket))
        except StorageError as error:
            if not isinstance(error.__cause__, S3Error) or error_code(error.__cause__) != "AccessDenied":
                raise
            found = True  # keys for objects alone may not ask about the bucket
        if not found:
            raise no_bucket(self.uri, self._bucket, self._endpoint)
        self._bucket_seen = True

    def _name_full_disk(self, size: int, error: StorageError) -> None:
        """rclone answers 500 InternalError when its disk is full; it is this machine's disk, so look there."""
        if self._embedded_folder and shutil.disk_usage(self._embedded_folder).free < size + CHUNK_BYTES:
            raise full(self.uri, self._embedded_folder) from error
