"""Files from HTTP servers: resumed where they were cut, told as they come, checked by their hash."""

from __future__ import annotations

import hashlib
import http.client
import logging
import shutil
import time
from pathlib import Path
from typing import Literal
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from tqdm import tqdm

from medseg.errors import DataError, NotFoundError, StorageFullError, UnreachableError

log = logging.getLogger(__name__)

BLOCK_BYTES = 1 << 20
TIMEOUT_S = 60.0
TRIES = 5  # in a row that bring no byte
PAUSE_S = 1.0  # before the second try, doubled each time
BUSY = (408, 429, 500, 502, 503, 504)

HashName = Literal["md5", "sha256"]


def fetch(url: str, path: Path) -> None:
    """Fetch a file whole; what came already lies in ``<path>.part`` and is not fetched again.

    Raises:
        NotFoundError: the server does not have it, or does not give it to us.
        StorageFullError: it does not fit onto the disk.
        UnreachableError: no answer, or cut again and again; the next call goes on where this one ended.
    """
    part = path.with_name(f"{path.name}.part")
    part.parent.mkdir(parents=True, exist_ok=True)
    failures = 0
    while failures < TRIES:
        before = _size(part)
        try:
            if _fetch_rest(url, part):
                part.replace(path)
                return
            reason = "the connection was cut"
        except (HTTPError, URLError, http.client.HTTPException, ConnectionError, TimeoutError) as error:
            _refuse_for_good(error, url)
            reason = str(error) or type(error).__name__
        failures = 0 if _size(part) > before else failures + 1
        log.warning("download: %s after %d bytes; trying again", reason, _size(part))
        time.sleep(PAUSE_S * 2**failures)
    raise UnreachableError(f"{url}: {reason}; {_size(part)} bytes are here, run the same command again to go on")


def check_hash(path: Path, name: HashName, expected: str) -> None:
    """Compare a file with its hash; a file that differs is removed.

    Raises:
        DataError: it differs.
    """
    found = file_hash(path, name)
    if found != expected:
        path.unlink()
        raise DataError(
            f"{path}: {name} is {found}, must be {expected}; the file was removed. It was damaged on its way or changed"
            " at its source: try again, and do not use it if that gives the same"
        )


def file_hash(path: Path, name: HashName) -> str:
    """Hexadecimal digits of the hash of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.new(name, usedforsecurity=False)).hexdigest()


def check_space(folder: Path, needed_bytes: int) -> None:
    """Refuse to start what cannot end.

    Raises:
        StorageFullError: the disk of ``folder`` has less room.
    """
    free = shutil.disk_usage(folder).free
    if free < needed_bytes:
        raise StorageFullError(f"{folder}: {needed_bytes / 1e9:.1f} GB are needed, {free / 1e9:.1f} GB are free")


def _fetch_rest(url: str, part: Path) -> bool:
    """Append what is missing; False where the server broke off."""
    have = _size(part)
    request = Request(url, headers={"Range": f"bytes={have}-", "User-Agent": "medseg"} if have else {})
    try:
        answer = urlopen(request, timeout=TIMEOUT_S)
    except HTTPError as error:
        if error.code != 416 or not have:
            raise
        if error.headers.get("Content-Range", "").rpartition("/")[2] == str(have):
            return True
        part.unlink()  # not the file that this is a part of
        return False
    with answer:
        resumed = answer.status == 206 and answer.headers.get("Content-Range", "").startswith(f"bytes {have}-")
        start = have if resumed else 0
        length = answer.headers.get("Content-Length")
        total = start + int(length) if length else None
        check_space(part.parent, (total or start) - start)
        with (
            part.open("ab" if resumed else "wb") as file,
            tqdm(total=total, initial=start, unit="B", unit_scale=True, desc=part.stem, disable=None) as bar,
        ):
            while block := answer.read(BLOCK_BYTES):
                file.write(block)
                bar.update(len(block))
        return total is None or _size(part) == total


def _refuse_for_good(error: Exception, url: str) -> None:
    if isinstance(error, HTTPError) and error.code not in BUSY:
        raise NotFoundError(f"{url}: the server answers {error.code} {error.reason}") from None


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
