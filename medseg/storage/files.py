"""Local files that appear whole or not at all, with errors that name the file."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from medseg.errors import AccessError, NotFoundError, StorageError, StorageFullError

TEMPORARY = ".medseg-part-"  # opens the name of a file that is being written; never listed


def write_whole(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Have ``write`` fill a temporary file beside ``path``, then rename it; missing folders are made.

    Readers see the old file or the new one, also after a power cut. A fault leaves the old file and nothing else.

    Raises:
        StorageFullError, AccessError, StorageError: name ``path``.
    """
    with naming(str(path)):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(TEMPORARY + secrets.token_hex(8))
        try:
            with temporary.open("xb") as file:
                write(file)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise


def copy_whole(source: Path, path: Path) -> None:
    """Copy a file; ``path`` appears whole or not at all."""
    with naming(str(source)):
        reader = source.open("rb")
    with reader:
        write_whole(path, lambda file: shutil.copyfileobj(reader, file))


def link_whole(source: Path, path: Path) -> None:
    """As ``copy_whole``, but as a second name of the same bytes where the file system can: files are never altered."""
    with naming(str(source)):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(TEMPORARY + secrets.token_hex(8))
        try:
            temporary.hardlink_to(source)
        except OSError:
            copy_whole(source, path)
            return
        try:
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)  # a rename onto the same file leaves both names


@contextmanager
def naming(where: str) -> Iterator[None]:
    """Turn the operating system's errors into the project's, each naming ``where``."""
    try:
        yield
    except FileNotFoundError as error:
        raise NotFoundError(f"{where}: does not exist") from error
    except PermissionError as error:
        raise AccessError(f"{where}: permission denied; this user must be able to read and write there") from error
    except (IsADirectoryError, NotADirectoryError, FileExistsError) as error:
        raise StorageError(f"{where}: one path cannot be both a file and a folder ({error.strerror})") from error
    except OSError as error:
        raise _named_fault(error, where) from error


def _named_fault(error: OSError, where: str) -> StorageError:
    folder = Path(where).parent
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return StorageFullError(f"{folder}: no space left for {where}; free some and start again, what is done is kept")
    if error.errno == errno.EROFS:
        return AccessError(f"{folder}: is mounted read-only; give a folder that this user may write to")
    return StorageError(f"{where}: {error.strerror or error}")
