"""How an S3 endpoint is reached: address, keys, timeouts, and the repetition of failed requests."""

from __future__ import annotations

import functools
import os
from typing import Any, Self
from urllib.parse import urlsplit

import certifi
import urllib3
from minio import Minio
from minio.credentials.providers import AWSConfigProvider, ChainedProvider, EnvAWSProvider, IamAwsProvider, Provider
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError, MaxRetryError, ReadTimeoutError

from medseg.errors import AccessError, StorageError
from medseg.storage.store import PARALLEL

CONNECT_TIMEOUT_S = 2.5  # three attempts and their pauses: an address that swallows packets is given up in 9 s
TRANSFER_TIMEOUT_S = 60.0  # to send one part, and between two pieces of an answer
AMAZON = "https://s3.amazonaws.com"
POD_IDENTITY = (
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
)
SETTINGS = (
    *("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_SHARED_CREDENTIALS_FILE"),
    *("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_CA_BUNDLE", "SSL_CERT_FILE", "AWS_ENDPOINT_URL_STS", *POD_IDENTITY),
)


def endpoint_url() -> str:
    """Where S3 is: AWS_ENDPOINT_URL_S3, else AWS_ENDPOINT_URL, else Amazon's own."""
    return (os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL") or AMAZON).rstrip("/")


def client(endpoint: str) -> Minio:
    """A client with the keys that the AWS variables, the AWS profile or the pod's identity give.

    One client serves all stores of a process that need the same one; a forked process gets its own connections.

    Raises:
        StorageError: the endpoint is no URL that a client can use.
        AccessError: no keys were found.
    """
    return _client(endpoint, os.getpid(), tuple(os.environ.get(name) for name in SETTINGS))


@functools.lru_cache(maxsize=8)
def _client(endpoint: str, _process: int, _settings: tuple[str | None, ...]) -> Minio:
    parts = urlsplit(endpoint)
    if parts.scheme not in ("http", "https") or not parts.netloc or parts.path:
        raise StorageError(f"S3 endpoint {endpoint!r}: must read http://host:port or https://host:port")
    region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
    if not region and endpoint != AMAZON:
        region = "us-east-1"  # what servers that know no regions expect; saves asking for it
    keys = _credentials(endpoint)
    return Minio(
        parts.netloc, credentials=keys, secure=parts.scheme == "https", region=region, http_client=_connections()
    )


def _credentials(endpoint: str) -> Provider:
    chain: list[Provider] = [EnvAWSProvider(), AWSConfigProvider()]
    # only Amazon's own machines have a metadata service to ask, anywhere else the question would hang
    if endpoint == AMAZON or any(os.environ.get(name) for name in POD_IDENTITY):
        sts = os.environ.get("AWS_ENDPOINT_URL_STS") if os.environ.get("AWS_WEB_IDENTITY_TOKEN_FILE") else None
        chain.append(IamAwsProvider(custom_endpoint=sts, http_client=_connections()))
    provider = ChainedProvider(chain)
    try:
        provider.retrieve()
    except (ValueError, HTTPError, OSError) as error:
        raise AccessError(
            f"no keys for S3 at {endpoint}: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, choose a profile with"
            f" AWS_PROFILE, or give the pod a web identity ({error})"
        ) from error
    return provider


def _connections() -> urllib3.PoolManager:
    connections = urllib3.PoolManager(
        maxsize=PARALLEL,
        timeout=urllib3.Timeout(connect=CONNECT_TIMEOUT_S, read=TRANSFER_TIMEOUT_S),
        retries=_retry(),
        ca_certs=os.environ.get("AWS_CA_BUNDLE") or os.environ.get("SSL_CERT_FILE") or certifi.where(),
        cert_reqs="CERT_REQUIRED",
    )
    connections.pool_classes_by_scheme = {"http": _HttpPool, "https": _HttpsPool}
    return connections


def _retry() -> urllib3.Retry:
    """Each request, so each part of a large object, up to five times with pauses of about 0, 0.4, 0.8 and 1.6 s.

    The jitter keeps many pods from coming back at the same moment.
    """
    return _OneTimeout(
        total=4,
        connect=2,
        status_forcelist=(500, 502, 503, 504),
        allowed_methods=None,  # S3 requests may be repeated, POST too: it opens and completes uploads in parts
        backoff_factor=0.2,
        backoff_jitter=0.2,
        respect_retry_after_header=False,  # its value has no upper bound
        raise_on_status=False,  # the last answer's error code is worth more than the count of attempts
    )


class _OneTimeout(urllib3.Retry):
    """Does not wait a second minute for a server that said nothing for a whole one."""

    def increment(
        self, method: Any = None, url: Any = None, response: Any = None, error: Any = None, *rest: Any, **named: Any
    ) -> Self:
        if isinstance(error, ReadTimeoutError):
            raise MaxRetryError(error.pool, url, error) from error
        return super().increment(method, url, response, error, *rest, **named)


class _HttpConnection(HTTPConnection):
    """Has the transfer's timeout once connected; urllib3 would leave it the short one for connecting, and a part that
    takes longer to send than that would never get through."""

    def connect(self) -> None:
        super().connect()
        self.sock.settimeout(TRANSFER_TIMEOUT_S)


class _HttpsConnection(HTTPSConnection):
    def connect(self) -> None:
        super().connect()
        self.sock.settimeout(TRANSFER_TIMEOUT_S)


class _HttpPool(urllib3.HTTPConnectionPool):
    ConnectionCls = _HttpConnection


class _HttpsPool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _HttpsConnection
