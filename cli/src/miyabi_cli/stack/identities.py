"""Identities of the local stack: a token for each process and one for the person, made at the first start."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import yaml

from miyabi_core.access.identity import Role
from miyabi_core.access.tokens import new_token, token_digest

#: Who there is: the person, and each process with the least role that its calls ask for.
ROLES: dict[str, Role] = {
    "operator": Role.OPERATOR,
    "coordinator": Role.VIEWER,
    "dashboard": Role.VIEWER,
    "github-gateway": Role.SUBMITTER,
    "local": Role.AGENT,
}


@dataclass(frozen=True)
class LocalIdentities:
    """Files below a folder that only this user reads; kept from one start to the next."""

    folder: Path

    @property
    def path(self) -> Path:
        """The identities that every service of the stack knows."""
        return self.folder / "identities.yaml"

    def token_file(self, name: str) -> Path:
        """Return where the token of one of ROLES lies."""
        return self.folder / f"{name}.token"

    def make(self) -> None:
        """Make what is missing."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for name in ROLES:
            if not self.token_file(name).exists():
                write_secret(self.token_file(name), new_token())
        entries = [entry_of(name, [role], self.token_file(name).read_text().strip()) for name, role in ROLES.items()]
        write_secret(self.path, yaml.safe_dump({"identities": entries}, sort_keys=False))


def entry_of(name: str, roles: list[Role], token: str) -> dict[str, object]:
    """Return an identity as an identities file has it."""
    tokens = [{"sha256": token_digest(token)}]
    return {"name": name, "roles": [role.value for role in roles], "tokens": tokens}


def write_secret(path: Path, text: str) -> None:
    """Write a file that only this user reads."""
    path.touch(mode=0o600)
    path.chmod(0o600)
    path.write_text(text + ("" if text.endswith("\n") else "\n"))
