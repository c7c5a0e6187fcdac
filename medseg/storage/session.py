"""The recipe's store, opened for this process and for all that it starts."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from medseg.config import EMBEDDED, StoreConfig
from medseg.storage.embedded import BUCKET, FOLDER_VARIABLE, embedded_server
from medseg.storage.store import folder_of


@contextmanager
def session(config: StoreConfig) -> Iterator[str]:
    """Yield the store's URI; the usual AWS variables say for the context's duration how to reach it.

    Everything that opens a store takes a URI alone, so that the same code runs in a pod, where a secret sets them.
    """
    if config.uri == EMBEDDED:
        folder = config.embedded_folder.expanduser().absolute()
        with embedded_server(folder) as endpoint:
            variables = {
                "AWS_ENDPOINT_URL": endpoint.url,
                "AWS_ACCESS_KEY_ID": endpoint.access_key,
                "AWS_SECRET_ACCESS_KEY": endpoint.secret_key,
                "AWS_REGION": "us-east-1",
                FOLDER_VARIABLE: str(folder),
            }
            with _environment(variables, without=("AWS_ENDPOINT_URL_S3", "AWS_SESSION_TOKEN")):
                yield f"s3://{BUCKET}"
    elif local := folder_of(config.uri):
        yield str(local.expanduser().absolute())
    else:
        # a token that belongs to other keys would spoil the recipe's
        without = (FOLDER_VARIABLE, "AWS_SESSION_TOKEN") if config.access_key else (FOLDER_VARIABLE,)
        with _environment(_from_recipe(config), without):
            yield config.uri.rstrip("/")


def shown(uri: str) -> str:
    """A URI of the open store as people can open it: a file's path where the server on this machine serves it."""
    folder = os.environ.get(FOLDER_VARIABLE)
    if not folder or not uri.startswith(f"s3://{BUCKET}/"):
        return uri
    path = Path(folder) / uri.removeprefix("s3://")
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)


def _from_recipe(config: StoreConfig) -> dict[str, str]:
    given = {
        "AWS_ENDPOINT_URL_S3": config.endpoint_url,
        "AWS_ACCESS_KEY_ID": config.access_key and config.access_key.get_secret_value(),
        "AWS_SECRET_ACCESS_KEY": config.secret_key and config.secret_key.get_secret_value(),
        "AWS_REGION": config.region,
    }
    return {name: value for name, value in given.items() if value}


@contextmanager
def _environment(variables: dict[str, str], without: tuple[str, ...]) -> Iterator[None]:
    names = (*variables, *without)
    before = {name: os.environ.get(name) for name in names}
    for name in without:
        os.environ.pop(name, None)
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
