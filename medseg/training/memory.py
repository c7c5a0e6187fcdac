"""The ways in which torch runs out of memory, as one error that says what to change."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch

from medseg.errors import OutOfMemoryError

# where there is no exception class of its own: the CPU's allocator, CUDA outside torch's allocator, cuBLAS and cuDNN
REFUSED = ("not enough memory", "can't allocate memory", "out of memory", "ALLOC_FAILED")
SMALLER_BATCH = "lower train.batch_size or preprocess.patch_2d / patch_3d of this model"


@contextlib.contextmanager
def naming_memory_failures(advice: str = SMALLER_BATCH) -> Iterator[None]:
    """Turn a refused allocation, on a GPU or not, into ``OutOfMemoryError`` with ``advice``."""
    try:
        yield
    except (MemoryError, torch.cuda.OutOfMemoryError) as error:
        raise OutOfMemoryError(_described(error, advice)) from error
    except RuntimeError as error:
        if any(words in str(error) for words in REFUSED):
            raise OutOfMemoryError(_described(error, advice)) from error
        raise


def _described(error: BaseException, advice: str) -> str:
    first = str(error).strip().splitlines()[0] if str(error).strip() else "allocation refused"
    return f"out of memory ({first}); {advice}"
