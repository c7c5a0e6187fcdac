"""One store for data, checkpoints and reports: S3 or a local folder behind the same few calls."""

from medseg.storage.session import session, shown
from medseg.storage.store import Store, StoredObject, open_store

__all__ = ["Store", "StoredObject", "open_store", "session", "shown"]
