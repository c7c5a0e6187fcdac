"""What an S3 server's refusals mean, in words that name the next step."""

from __future__ import annotations

import re

from minio.error import InvalidResponseError, MinioException, S3Error, ServerError
from urllib3.exceptions import HTTPError

from medseg.errors import AccessError, NotFoundError, StorageError, StorageFullError, UnreachableError

FAULTS = (MinioException, HTTPError, ValueError)  # all that the client raises about a request

MISSING = {"NoSuchKey", "NoSuchObject", "ResourceNotFound"}
FULL = {"XMinioStorageFull", "InsufficientStorage", "QuotaExceeded", "XMinioAdminBucketQuotaExceeded"}
KEYS = "check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN, and what they may do in this bucket"
DENIED = {
    **dict.fromkeys(("AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "AllAccessDisabled"), KEYS),
    **dict.fromkeys(
        ("ExpiredToken", "ExpiredTokenException", "InvalidToken"), "the session token is over: get a new one"
    ),
    **dict.fromkeys(("AuthorizationHeaderMalformed", "PermanentRedirect"), "set AWS_REGION to the bucket's region"),
    "RequestTimeTooSkewed": "set this machine's clock",
}


def named_error(error: Exception, uri: str, bucket: str, endpoint: str) -> StorageError:
    """The project's error for one of ``FAULTS`` that came up about ``uri``."""
    code, status = error_code(error), _status(error)
    if code == "NoSuchBucket":
        return no_bucket(uri, bucket, endpoint)
    if code in MISSING:
        return NotFoundError(f"{uri}: no such object at {endpoint}")
    if code in FULL or status == 507:
        return full(uri, endpoint)
    if code in DENIED or status in (401, 403):
        return AccessError(f"{uri}: {endpoint} refuses ({code or status}); {DENIED.get(code, KEYS)}")
    if isinstance(error, HTTPError):
        return UnreachableError(
            f"{uri}: no answer from {endpoint} ({_innermost(error)}); check AWS_ENDPOINT_URL, the network, and that"
            " the server runs"
        )
    return StorageError(f"{uri}: {endpoint} answered {error}")


def no_bucket(uri: str, bucket: str, endpoint: str) -> NotFoundError:
    return NotFoundError(
        f"{uri}: there is no bucket {bucket!r} at {endpoint}; create it, e.g."
        f" aws --endpoint-url {endpoint} s3 mb s3://{bucket}, or correct the store's URI"
    )


def full(uri: str, where: str) -> StorageFullError:
    return StorageFullError(f"{uri}: no space left at {where}; free some and start again, what is done is kept")


def error_code(error: BaseException) -> str:
    """S3's error code, also from servers whose content type minio does not take for XML (rclone says text/xml)."""
    if isinstance(error, S3Error):
        return error.code or ""
    found = re.search(r"<Code>(\w+)</Code>", str(error)) if isinstance(error, InvalidResponseError) else None
    return found[1] if found else ""


def _status(error: BaseException) -> int | None:
    if isinstance(error, S3Error):
        return int(error.response.status)
    if isinstance(error, ServerError):
        return error.status_code
    found = re.search(r"Response code: (\d+)", str(error)) if isinstance(error, InvalidResponseError) else None
    return int(found[1]) if found else None


def _innermost(error: BaseException) -> str:
    while isinstance(inner := getattr(error, "reason", None), BaseException):
        error = inner
    return str(error)
