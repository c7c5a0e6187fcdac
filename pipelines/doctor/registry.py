"""Whether a container registry has an image, asked without logging in."""

from __future__ import annotations

import os
import re

import certifi
import urllib3

from pipelines.proxy import connections

ACCEPT = ", ".join(
    f"application/vnd.{kind}+json"
    for kind in (
        "oci.image.index.v1",
        "oci.image.manifest.v1",
        "docker.distribution.manifest.list.v2",
        "docker.distribution.manifest.v2",
    )
)
HOSTS = {"docker.io": "registry-1.docker.io"}


def has_manifest(name: str) -> bool:
    """Whether the registry in a full name, such as ``registry.example/path:tag``, has it.

    Raises:
        PermissionError: it asks for a login.
        OSError: it gave no answer.
    """
    registry, _, rest = name.partition("/")
    path, mark, digest = rest.partition("@")
    if not mark:
        path, _, digest = rest.rpartition(":")
    plain = registry.split(":")[0] in ("localhost", "127.0.0.1")
    url = f"{'http' if plain else 'https'}://{HOSTS.get(registry, registry)}/v2/{path}/manifests/{digest}"
    try:
        status = _status(url, registry)
    except urllib3.exceptions.HTTPError as error:
        raise ConnectionError(f"{registry} cannot be reached from here") from error
    if status in (401, 403):
        raise PermissionError(f"{registry} asks for a login")
    if status not in (200, 404):
        raise ConnectionError(f"{registry} answered {status}")
    return status == 200


def _status(url: str, registry: str) -> int:
    certificates = os.environ.get("SSL_CERT_FILE") or certifi.where()
    http = connections(url, ca_certs=certificates, timeout=5.0, retries=urllib3.Retry(1, redirect=3))
    answer = http.request("HEAD", url, headers={"Accept": ACCEPT})
    if answer.status != 401:
        return int(answer.status)
    # public registries want a token even of those who may read without a login
    challenge = dict(re.findall(r'(\w+)="([^"]*)"', answer.headers.get("WWW-Authenticate", "")))
    if "realm" not in challenge:
        return 401
    given = http.request("GET", challenge.pop("realm"), fields=challenge)
    if given.status != 200:
        return 401
    token = given.json().get("token") or given.json().get("access_token")
    again = http.request("HEAD", url, headers={"Accept": ACCEPT, "Authorization": f"Bearer {token}"})
    return int(again.status)
