"""Makes the bucket of $MEDSEG_STORE as soon as the store answers; a bucket that is there stays as it is.

Argument: after how many seconds a store that does not answer, or refuses the keys, is given up.
"""

from __future__ import annotations

import os
import sys
import time
from urllib.parse import urlsplit

from medseg.console import run_command
from medseg.storage.s3_client import client, endpoint_url
from medseg.storage.s3_errors import FAULTS, named_error

PAUSE_S = 5.0


def main(wait_s: float) -> int:
    uri = os.environ["MEDSEG_STORE"]
    bucket, endpoint = urlsplit(uri).netloc, endpoint_url()
    store = client(endpoint)
    deadline = time.monotonic() + wait_s
    while True:
        try:
            found = store.bucket_exists(bucket)
            if not found:
                store.make_bucket(bucket)
            print(f"Bucket {bucket!r} {'is there' if found else 'was made'} at {endpoint}")
            return 0
        except FAULTS as fault:  # a store that just starts may refuse its own keys for a moment
            error = named_error(fault, uri, bucket, endpoint)
            if time.monotonic() + PAUSE_S > deadline:
                raise error from fault
            print(f"{error}; trying again in {PAUSE_S:.0f} s", flush=True)
        time.sleep(PAUSE_S)


if __name__ == "__main__":
    sys.exit(run_command(lambda: main(float(sys.argv[1]))))
