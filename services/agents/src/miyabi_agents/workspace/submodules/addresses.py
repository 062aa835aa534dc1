"""Turns the address of a submodule into `owner/name` at the proxy; no other address is ever contacted."""

from __future__ import annotations

import re
from urllib.parse import unquote, urlsplit

from miyabi_core.text import shortened

#: Longest address that is looked at: GitHub's longest has some 160 characters.
MAX_CHARACTERS = 500
#: Schemes of the same repository at GitHub, each with its port: what is read is the proxy's, whatever the scheme.
_SCHEMES = {"https": 443, "ssh": 22, "git": 9418, "git+ssh": 22, "ssh+git": 22}
#: `[user@]host:path`, as ssh takes it (git-clone(1), GIT URLS); `::` names a program.
_SCP = re.compile(r"(?:[A-Za-z0-9._-]+@)?([A-Za-z0-9.-]+):(?!:|//)(.+)")
#: What GitHub lets owners and repositories be named.
_REPOSITORY = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,38}/[A-Za-z0-9._-]{1,100}")


class NotServedError(Exception):
    """An address is none of a repository at the proxy; the message is the end of a sentence."""


def repository_of(url: str, *, parent: str, host: str) -> str:
    """Return the repository that an address is of.

    Args:
        url: As `.gitmodules` has it: hostile.
        parent: `owner/name` of the repository that has the submodule; relative addresses begin there.
        host: Host of GitHub, as `github.com`.

    Raises:
        NotServedError: it is another host's, of a kind that is not fetched, or names no repository.
    """
    if not url or len(url) > MAX_CHARACTERS:
        raise NotServedError("its address is empty or too long")
    if url.startswith("-"):
        raise NotServedError("its address would be taken for an option")
    if not url.isprintable() or "\\" in url:
        raise NotServedError("its address holds a backslash, a control or an invisible character")
    if url.startswith(("./", "../")):
        return _named(_resolved(url, parent))
    return _named(_on_host(url, host))


def _resolved(url: str, parent: str) -> str:
    """Return the path of a relative address (git-submodule(1), add)."""
    parts = parent.split("/")
    for part in url.split("/"):
        if part == "..":
            if not parts:
                raise NotServedError("its relative address leads out of its host")
            parts.pop()
        elif part not in {"", "."}:
            parts.append(part)
    return "/".join(parts)


def _on_host(url: str, host: str) -> str:
    """Return the path of an address on GitHub's host."""
    if "://" not in url:
        found = _SCP.fullmatch(url)
        if found is None:
            raise NotServedError("its address is of a kind that is not fetched")
        _check_host(found[1], host)
        return found[2]
    parts = urlsplit(url)
    if parts.scheme not in _SCHEMES:
        raise NotServedError(f"its address is of a kind that is not fetched ({shortened(parts.scheme, 20)})")
    try:
        port = parts.port
    except ValueError:
        raise NotServedError("its address names no port") from None
    if parts.query or parts.fragment or port not in {None, _SCHEMES[parts.scheme]}:
        raise NotServedError("its address has a port, a query or a fragment, and is no repository's")
    _check_host(parts.hostname or "", host)
    return unquote(parts.path)


def _check_host(found: str, host: str) -> None:
    """Refuse another host."""
    if found.casefold() not in {host.casefold(), f"www.{host}".casefold(), f"ssh.{host}".casefold()}:
        raise NotServedError(f"{shortened(ascii(found)[1:-1], 100)} is not served")


def _named(path: str) -> str:
    """Return `owner/name` of a path."""
    name = path.strip("/").removesuffix(".git")
    if _REPOSITORY.fullmatch(name) is None or name.endswith(("/.", "/..")):
        raise NotServedError("its address names no repository")
    return name
