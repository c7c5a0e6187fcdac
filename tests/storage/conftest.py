"""One real S3 server for all storage tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from medseg.config import StoreConfig
from medseg.storage import session


@pytest.fixture(scope="session")
def s3_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder whose sub-folders are the server's buckets."""
    return tmp_path_factory.mktemp("embedded") / "s3"


@pytest.fixture(scope="package")
def s3_uri(s3_folder: Path) -> Iterator[str]:
    """URI of a bucket on an embedded server; the AWS variables say how to reach it."""
    with session(StoreConfig(embedded_folder=s3_folder)) as uri:
        yield uri
