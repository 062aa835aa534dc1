"""How git shows who it is to the gateway's proxy: by its environment, so that no command line holds the token."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class GitAccess:
    """What git's network commands carry, and carry to the proxy only.

    Args:
        git_url: Base of the proxy.
        token: Returns the bearer token; None: none is sent.
        ca_file: Who signs the proxy's certificate; None: whom the platform trusts.

    Source: git-config(1), `http.<url>.extraHeader`; GIT_CONFIG_COUNT.
    """

    git_url: str = ""
    token: Callable[[], str] | None = None
    ca_file: Path | None = None

    def variables(self) -> dict[str, str]:
        """Return the environment of one command; the token is the one of now."""
        found = {"GIT_SSL_CAINFO": str(self.ca_file)} if self.ca_file is not None else {}
        if self.token is None:
            return found
        return found | {
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": f"http.{self.git_url}/.extraHeader",
            "GIT_CONFIG_VALUE_0": f"Authorization: Bearer {self.token()}",
        }


#: No identity, no certificate of our own.
OPEN = GitAccess()
