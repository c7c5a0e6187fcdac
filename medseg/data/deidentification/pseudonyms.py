"""Pseudonyms under a secret key: the same name for the same person in every run, and no way back without the key."""

from __future__ import annotations

import hashlib
import hmac
import logging
import os
import secrets
import tempfile
import unicodedata
from pathlib import Path

from medseg.config import DeidentifyConfig
from medseg.errors import RecipeError

log = logging.getLogger(__name__)

KEY_VARIABLE = "MEDSEG_PSEUDONYM_KEY"
KEY_FILE = "pseudonym.key"
SHORTEST_KEY = 16
EARLIEST_SHIFT, LATEST_SHIFT = -3650, -365


class Pseudonyms:
    """HMAC-SHA256 pseudonyms; may be handed to other processes.

    Args:
        key: the secret; never stored.
    """

    def __init__(self, key: bytes) -> None:
        self._key = key

    def digest(self, *parts: str, length: int = 16) -> str:
        """``length`` hexadecimal digits (at most 64), equal for equal parts."""
        return self._hmac(*parts).hex()[:length]

    def patient(self, identity: str) -> str:
        """Pseudonym of a patient; blanks around the identity, with which DICOM pads, make no difference."""
        return f"patient-{self.digest('patient', _plain(identity), length=12)}"

    def uid(self, uid: str) -> str:
        """A valid UID of at most 44 characters in the place of ``uid``: 2.25 and a number below 2**128 (PS3.5 B.2)."""
        number = int.from_bytes(self._hmac("uid", uid.strip(" \0"))[:16], "big")
        return f"2.25.{number}"

    def days(self, patient: str) -> int:
        """Days, from -3650 to -365, by which all dates of a patient are moved."""
        number = int.from_bytes(self._hmac("days", _plain(patient))[:8], "big")
        return EARLIEST_SHIFT + number % (LATEST_SHIFT - EARLIEST_SHIFT + 1)

    def _hmac(self, *parts: str) -> bytes:
        encoded = (part.encode("utf-8", "surrogatepass") for part in parts)
        message = b"".join(len(part).to_bytes(4, "big") + part for part in encoded)
        return hmac.digest(self._key, message, hashlib.sha256)


def _plain(identity: str) -> str:
    return unicodedata.normalize("NFC", identity.strip(" \0"))


def key_variable(config: DeidentifyConfig) -> str:
    """The environment variable that a key comes in, unless it comes in a file."""
    kind, _, name = (config.key or "").partition(":")
    return name if kind == "env" else KEY_VARIABLE


def load_key(config: DeidentifyConfig, key_folder: Path) -> bytes:
    """The key of the pseudonyms: the one the recipe names, $MEDSEG_PSEUDONYM_KEY, or a key file of this machine.

    Args:
        key_folder: where the key file lies; without one it is made, readable by its owner only.

    Raises:
        RecipeError: the named key is missing, empty or shorter than 16 bytes, or this is a pod of a cluster, where a
            made-up key would differ from pod to pod and go with it.
    """
    kind, _, name = (config.key or "").partition(":")
    if kind == "env" or (not kind and KEY_VARIABLE in os.environ):
        return _from_environment(name or KEY_VARIABLE)
    path = Path(name).expanduser() if kind == "file" else key_folder / KEY_FILE
    if not kind and not path.exists():
        _make(path)
    return _from_file(path)


def _from_environment(name: str) -> bytes:
    if name not in os.environ:
        raise RecipeError(f"dataset.deidentify.key: the environment variable {name} is not set")
    return _checked(os.fsencode(os.environ[name]), f"the environment variable {name}")


def _from_file(path: Path) -> bytes:
    try:
        return _checked(path.read_bytes(), str(path))
    except OSError as error:
        raise RecipeError(f"dataset.deidentify.key: {path} cannot be read: {error.strerror}") from None


def _checked(key: bytes, where: str) -> bytes:
    key = key.strip(b"\r\n")
    if len(key) < SHORTEST_KEY:
        raise RecipeError(
            f"dataset.deidentify.key: {where} holds {len(key)} bytes, a key needs at least {SHORTEST_KEY};"
            " make one with: openssl rand -hex 32"
        )
    return key


def _make(path: Path) -> None:
    """Put a random key file in place, whole and once, also where several processes start together."""
    if "KUBERNETES_SERVICE_HOST" in os.environ:
        raise RecipeError(
            "dataset.deidentify.key: a cluster needs one key for all pods and runs; put it into a Kubernetes secret,"
            f" mount that as the environment variable {KEY_VARIABLE} or as a file,"
            f" and name it: key: env:{KEY_VARIABLE} or key: file:/path/of/the/secret"
        )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, scratch = tempfile.mkstemp(dir=path.parent, prefix=f".{KEY_FILE}-")  # mode 0600
        try:
            with os.fdopen(handle, "w") as file:
                file.write(secrets.token_hex(32) + "\n")
                file.flush()
                os.fsync(file.fileno())
            os.link(scratch, path)  # unlike a rename it never replaces the key of another process
        finally:
            Path(scratch).unlink()
    except FileExistsError:
        return
    except OSError as error:
        raise RecipeError(
            f"dataset.deidentify.key: no key is named and none can be made at {path}: {error.strerror}"
        ) from None
    log.warning("made the key of the pseudonyms at %s: keep it safe, only with it come the same pseudonyms again", path)
