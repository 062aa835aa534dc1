"""What the steps of a build get to know: the proxy, the operator's indexes, certificates, and no secret."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import SecretStr

from miyabi_agents.environments.proxy import FetchProxy
from miyabi_agents.environments.proxy.dialling import Dialler, OuterProxy
from miyabi_agents.environments.proxy.hosts import AllowedHosts, without_user
from miyabi_agents.settings import PackageSettings
from miyabi_core.logging import get_logger

#: Variables by which clients find a proxy: curl's and most others', in both spellings; npm's; cargo's.
_PROXY_VARIABLES = (
    "HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "https_proxy", "http_proxy", "all_proxy",
    "npm_config_proxy", "npm_config_https_proxy", "YARN_HTTP_PROXY", "YARN_HTTPS_PROXY", "CARGO_HTTP_PROXY",
)  # fmt: skip
#: Variables that would lead around it.
_NO_PROXY_VARIABLES = ("NO_PROXY", "no_proxy", "npm_config_noproxy")
#: Variables by which clients find more certificates, each with a file: OpenSSL, requests, curl, node, pip, cargo, git.
_CERTIFICATE_FILE_VARIABLES = (
    "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS", "PIP_CERT", "CARGO_HTTP_CAINFO",
)  # fmt: skip
#: A file of the cache must never be the same file as one of an environment: a build could change it there. Nothing may
#: be asked of a person, and interpreters come from this machine alone. A repository's `.npmrc` must not name programs
#: that npm runs while it downloads: the environment's word counts more than the file's.
_EVERYWHERE: Mapping[str, str] = {
    "UV_LINK_MODE": "copy",
    "UV_PYTHON_DOWNLOADS": "never",
    "npm_config_git": "git",
    "npm_config_script_shell": "/bin/sh",
    "npm_config_audit": "false",
    "npm_config_fund": "false",
    "npm_config_update_notifier": "false",
    "PIP_NO_INPUT": "1",
    "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    "GOTOOLCHAIN": "local",
    "COREPACK_ENABLE_DOWNLOAD_PROMPT": "0",
}
#: What GOPROXY may hold beside URLs.
_GO_WORDS = frozenset({"direct", "off"})
_SEPARATORS = re.compile(r"[,|\s]+")

_LOG = get_logger(__name__)


@dataclass(frozen=True)
class Surroundings:
    """What every build of this agent gets."""

    #: For every step.
    variables: Mapping[str, str] = field(default_factory=lambda: dict(_EVERYWHERE))
    #: For steps that fetch: the operator's indexes, without user and password.
    indexes: Mapping[str, str] = field(default_factory=dict)
    #: Certificates, which every step may read.
    readable: Sequence[Path] = ()

    @classmethod
    def of(cls, settings: PackageSettings) -> Surroundings:
        """Read them from the settings."""
        variables, readable = dict(_EVERYWHERE), []
        if settings.ssl_cert_file is not None and settings.ssl_cert_file.is_file():
            readable.append(settings.ssl_cert_file)
            variables |= dict.fromkeys(_CERTIFICATE_FILE_VARIABLES, str(settings.ssl_cert_file))
        if settings.ssl_cert_dir is not None and settings.ssl_cert_dir.is_dir():
            readable.append(settings.ssl_cert_dir)
            variables["SSL_CERT_DIR"] = str(settings.ssl_cert_dir)
        indexes = {
            name: ("," if name == "GOPROXY" else " ").join(map(_shown, urls))
            for name, urls in _index_variables(settings).items()
        }
        return cls(variables, indexes, tuple(readable))

    def fetching(self, port: int) -> Mapping[str, str]:
        """Return the variables that make clients fetch by the proxy on *port*, and by nothing else."""
        url = f"http://127.0.0.1:{port}"
        return {**self.indexes, **dict.fromkeys(_PROXY_VARIABLES, url), **dict.fromkeys(_NO_PROXY_VARIABLES, "")}


def fetch_proxy(settings: PackageSettings) -> FetchProxy:
    """Return the proxy that passes what the settings allow.

    Raises:
        ValueError: an index or the machine's own proxy is no URL.
    """
    indexes = list(_parts(settings.package_indexes))
    for urls in _index_variables(settings).values():
        indexes += [url for url in urls if url not in _GO_WORDS]
    hosts = AllowedHosts(_SEPARATORS.split(settings.package_hosts.strip()), indexes=indexes)
    return FetchProxy(hosts, dialler=Dialler(_outer_proxy(settings)))


def _outer_proxy(settings: PackageSettings) -> OuterProxy | None:
    """Return the machine's own proxy; one of another kind is no reason not to start."""
    named = (settings.https_proxy or SecretStr("")).get_secret_value()
    try:
        return OuterProxy.of(named, no_proxy=settings.no_proxy)
    except ValueError:
        _LOG.warning("fetch.proxy_not_usable", why="it is no http or https URL; indexes are asked directly")
        return None


def _index_variables(settings: PackageSettings) -> Mapping[str, Sequence[str]]:
    """Return the URLs that variables of the agent's own name as indexes; folders, which clients take too, are not."""
    given = {
        "UV_DEFAULT_INDEX": settings.uv_default_index,
        "UV_INDEX": settings.uv_index,
        "PIP_INDEX_URL": settings.pip_index_url,
        "PIP_EXTRA_INDEX_URL": settings.pip_extra_index_url,
        "npm_config_registry": settings.npm_registry,
        "GOPROXY": settings.goproxy,
    }
    found = {
        name: [url for url in _parts(value) if _is_index(url)] for name, value in given.items() if value is not None
    }
    return {name: urls for name, urls in found.items() if urls}


def _is_index(text: str) -> bool:
    """Tell whether a part of such a variable is an index, or a word of GOPROXY's."""
    return text in _GO_WORDS or re.match(r"https?://[^/]", text) is not None


def _shown(url: str) -> str:
    """Return an index as the sandbox gets to know it."""
    return url if url in _GO_WORDS else without_user(url)


def _parts(value: SecretStr) -> Sequence[str]:
    """Split a list of URLs; an index that has a name (`name=URL`) is taken without it."""
    found = [part for part in _SEPARATORS.split(value.get_secret_value()) if part]
    return [part.partition("=")[2] if re.match(r"[A-Za-z0-9_.-]+=https?://", part) else part for part in found]
