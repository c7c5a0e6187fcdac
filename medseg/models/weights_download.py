"""A published file of weights comes to this machine, from Hugging Face or another server."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from huggingface_hub import HfApi, ModelInfo, hf_hub_download
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.errors import HTTPError as HubClientError  # type: ignore[attr-defined]

from medseg.config import WEIGHTS_FILES
from medseg.errors import AccessError, DataError, NotFoundError, UnreachableError
from medseg.fetch import check_hash, fetch, file_hash
from medseg.models.weights import Source

PREFERRED = ("model.safetensors", "pytorch_model.bin")  # how transformers and timm call the whole network
NOT_STATED = "not stated"
NO_ANSWER = "set HF_ENDPOINT to a server that mirrors Hugging Face, or pull on a machine that reaches it"

# torchvision and torch.hub end a file's name with the first digits of its SHA-256
_HASH_IN_NAME = re.compile(r"-([a-f0-9]{8,})$")


@dataclass(frozen=True)
class Downloaded:
    """One file on this machine.

    Attributes:
        revision: commit of the repository that it was taken from; None for a URL.
        license: as the source states it.
    """

    path: Path
    revision: str | None
    sha256: str
    license: str


def download(source: Source, folder: Path) -> Downloaded:
    """Fetch a source's file into a folder; a cut connection is taken up where it broke off.

    Hugging Face is asked at $HF_ENDPOINT, with the token of $HF_TOKEN or of an earlier log-in.

    Raises:
        AccessError: the repository is gated, private, or the token is wrong.
        NotFoundError: there is no such repository, revision or file of weights.
        UnreachableError: no answer.
        DataError: what came has not the hash that its publisher states.
    """
    return _from_hub(source, folder) if source.is_repository else _from_url(source, folder)


def is_non_commercial(license_: str) -> bool:
    """Whether a licence's name says that it leaves out commercial use."""
    return bool(re.search(r"non-?commercial|\bnc\b", license_, re.IGNORECASE))


def _from_url(source: Source, folder: Path) -> Downloaded:
    path = folder / PurePosixPath(urlsplit(source.place).path).name
    if not path.exists():
        fetch(source.place, path)
    sha256 = file_hash(path, "sha256")
    stated = _HASH_IN_NAME.search(path.stem)
    if stated and not sha256.startswith(stated[1]):
        path.unlink()
        raise DataError(f"{source.place}: SHA-256 is {sha256}, not {stated[1]}… as its name says; try again")
    return Downloaded(path, None, sha256, source.license or NOT_STATED)


def _from_hub(source: Source, folder: Path) -> Downloaded:
    endpoint = os.environ.get("HF_ENDPOINT", "https://huggingface.co").rstrip("/")
    where = f"{endpoint}/{source.place}"
    with _naming_refusals(where, source.revision):
        info = HfApi(endpoint).model_info(source.place, revision=source.revision, files_metadata=True)
        file = _file_of_weights(info, where)
        path = Path(hf_hub_download(source.place, file, revision=info.sha, endpoint=endpoint, local_dir=folder))
    stated = next((item.lfs.sha256 for item in info.siblings or () if item.rfilename == file and item.lfs), None)
    if stated:
        check_hash(path, "sha256", stated)
    return Downloaded(path, info.sha, stated or file_hash(path, "sha256"), source.license or _license(info, where))


def _file_of_weights(info: ModelInfo, where: str) -> str:
    """The one file that holds the whole network."""
    files = sorted(item.rfilename for item in info.siblings or ())
    candidates = [name for name in files if name.endswith(WEIGHTS_FILES) and "/" not in name]
    for name in PREFERRED:
        if name in candidates:
            return name
    if len(candidates) == 1:
        return candidates[0]
    raise NotFoundError(
        f"{where}: has no single file of weights ({', '.join(PREFERRED)}, or one that ends with"
        f" {', '.join(WEIGHTS_FILES)}); it has: {', '.join(files) or 'nothing'}. Fetch one of them and give its"
        " path as weights"
    )


def _license(info: ModelInfo, where: str) -> str:
    """What the repository's card says; a licence of its owner's own goes by its name and link."""
    card: Mapping[str, Any] = info.card_data.to_dict() if info.card_data else {}
    said = [card.get(key) for key in ("license", "license_name", "license_link")]
    text = " ".join(str(part) for part in said if part)
    return text if text not in ("", "other") else f"{text or NOT_STATED}, see {where}"


@contextmanager
def _naming_refusals(where: str, revision: str | None) -> Iterator[None]:
    """Turn what a hub refuses into the project's errors, each with the next step."""
    try:
        yield
    except GatedRepoError as error:
        raise AccessError(
            f"{where}: is gated; accept its terms on that page and set HF_TOKEN to a token of the account that did"
        ) from error
    except RepositoryNotFoundError as error:
        raise NotFoundError(
            f"{where}: there is no such repository, or it is private; check its spelling, or set HF_TOKEN to a token"
            " that may read it"
        ) from error
    except RevisionNotFoundError as error:
        raise NotFoundError(f"{where}: has no revision {revision}") from error
    except HFValidationError as error:
        raise NotFoundError(f"{where}: {error}") from error
    except HfHubHTTPError as error:
        status = error.response.status_code
        if status == 404:
            raise NotFoundError(f"{where}: is not there; check its spelling") from error
        if status in (401, 403):
            raise AccessError(f"{where}: refused with {status}; set HF_TOKEN to a token that may read it") from error
        raise UnreachableError(f"{where}: the server answers {status}; {NO_ANSWER}") from error
    except (HubClientError, OSError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UnreachableError(f"{where}: {reason}; {NO_ANSWER}") from error
