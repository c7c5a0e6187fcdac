"""Which proxy leads to an address, by the variables that curl and kubectl read too."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

from urllib3 import PoolManager, ProxyManager
from urllib3.util import make_headers, parse_url

LOOPBACK = ("localhost", "127.0.0.1", "::1")


def proxy_of(address: str) -> str | None:
    """The URL of the proxy that HTTP_PROXY, HTTPS_PROXY and NO_PROXY name for an address; None goes there straight."""
    parts = urlsplit(address)
    host = parts.hostname or ""
    if host in LOOPBACK or host.endswith(".svc") or proxy_bypass(host):  # a port-forward, or a service as pods see it
        return None
    proxy = getproxies().get(parts.scheme)
    return proxy if proxy is None or "://" in proxy else f"http://{proxy}"


def login_headers(proxy: str) -> dict[str, str]:
    """What a proxy with a user and a password in its URL has to be sent."""
    login = parse_url(proxy).auth
    return dict(make_headers(proxy_basic_auth=unquote(login))) if login else {}


def connections(address: str, **settings: Any) -> PoolManager:
    """Connections to an address, through its proxy if it has one.

    Args:
        settings: of urllib3's PoolManager.
    """
    if proxy := proxy_of(address):
        return ProxyManager(proxy, proxy_headers=login_headers(proxy), **settings)
    return PoolManager(**settings)
