"""How git shows who it is to the gateway's proxy: by its environment, so that no command line holds a secret."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from miyabi_core.grants import GRANT_HEADER, current_grant


@dataclass(frozen=True)
class GitAccess:
    """What git's network commands carry, and carry to the proxy only.

    Args:
        git_url: Base of the proxy.
        token: Returns the bearer token; None: none is sent.
        grant: Returns the grant of the lease that is worked on; pushes carry it.
        ca_file: Who signs the proxy's certificate; None: whom the platform trusts.

    Source: git-config(1), `http.<url>.extraHeader`; GIT_CONFIG_COUNT.
    """

    git_url: str = ""
    token: Callable[[], str] | None = None
    ca_file: Path | None = None
    grant: Callable[[], str] = current_grant

    def variables(self, *, pushing: bool = False) -> dict[str, str]:
        """Return the environment of one command; token and grant are those of now.

        Args:
            pushing: Whether the command writes, which needs the lease's grant.
        """
        found = {"GIT_SSL_CAINFO": str(self.ca_file)} if self.ca_file is not None else {}
        headers = [f"Authorization: Bearer {self.token()}"] if self.token is not None else []
        if pushing and self.git_url and (grant := self.grant()):
            headers.append(f"{GRANT_HEADER}: {grant}")
        for index, header in enumerate(headers):
            found[f"GIT_CONFIG_KEY_{index}"] = f"http.{self.git_url}/.extraHeader"
            found[f"GIT_CONFIG_VALUE_{index}"] = header
        return found | ({"GIT_CONFIG_COUNT": str(len(headers))} if headers else {})


#: No identity, no certificate of our own.
OPEN = GitAccess()
