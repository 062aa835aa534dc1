"""Secrets in files that are rotated while the process runs."""

from __future__ import annotations

import secrets
from pathlib import Path

from miyabi_core.access.secret_file import SecretFile


def test_a_rotated_secret_is_read_again(tmp_path: Path) -> None:
    """Kubernetes swaps a link to a folder; the next read gives the new content."""
    one, two = secrets.token_hex(8), secrets.token_hex(8)
    for name, text in (("one", one), ("two", two)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "key").write_text(f"{text}\n")
    link = tmp_path / "current"
    link.symlink_to(tmp_path / "one")
    file = SecretFile(link / "key")
    assert file.read() == one
    swapped = tmp_path / "swapped"
    swapped.symlink_to(tmp_path / "two")
    swapped.rename(link)
    assert file.read() == two


def test_a_file_that_is_away_for_a_moment_changes_nothing(tmp_path: Path) -> None:
    """Between two contents the last one known holds; before the first there is none."""
    path, secret = tmp_path / "key", secrets.token_hex(8)
    file = SecretFile(path)
    assert file.read() == ""
    path.write_text(secret)
    assert file.read() == secret
    path.unlink()
    assert file.read() == secret
    assert secret not in repr(file)
