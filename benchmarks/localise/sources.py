"""Brings the repository of each issue as a commit that git can read: from a mirror, else from a source distribution."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import tarfile
import tempfile
import urllib.parse
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from packaging.utils import parse_sdist_filename
from packaging.version import InvalidVersion

#: Names on the package index, where they are not the repository's.
PACKAGES: Mapping[str, str] = {}
#: Seconds for one answer of the index.
TIMEOUT_SECONDS = 120


@dataclass(frozen=True)
class Source:
    """A commit in a repository on this machine."""

    mirror: Path
    sha: str


def source_of(repository: str, commit: str, *, created: datetime, mirrors: Path, cache: Path) -> Source:
    """Return where a repository's files are.

    A mirror that has the commit is read as it is. Where there is none, the newest final release that was published
    before the change was proposed stands for it, for it cannot hold that change.

    Args:
        repository: As OWNER/NAME.
        commit: Against which the issue was reported.
        created: When the change was proposed.
        mirrors: Folder with clones: OWNER+NAME/repo, OWNER+NAME or OWNER/NAME.
        cache: Keeps what is fetched.

    Raises:
        OSError: there is neither, or the index gave another file than it promised.
    """
    if (found := mirror_of(repository, commit, mirrors)) is not None:
        return Source(found, commit)
    name = repository.partition("/")[2]
    return _release(PACKAGES.get(name, name), created, cache)


def mirror_of(repository: str, commit: str, mirrors: Path) -> Path | None:
    """Return the folder of git of a repository's clone that has a commit; None where there is none."""
    joined = repository.replace("/", "+")
    for folder in (mirrors / joined / "repo", mirrors / joined, mirrors / repository):
        if (found := git_folder(folder)) is not None and _has(found, commit):
            return found
    return None


def git_folder(folder: Path) -> Path | None:
    """Return the folder of git of a clone, bare or not; None where there is no clone."""
    return next((place for place in (folder / ".git", folder) if (place / "objects").is_dir()), None)


def _has(folder: Path, commit: str) -> bool:
    """Tell whether a repository has a commit."""
    found = subprocess.run(["git", "--git-dir", folder, "cat-file", "-e", commit], capture_output=True, check=False)
    return not found.returncode


def _release(package: str, created: datetime, cache: Path) -> Source:
    """Return the commit of a source distribution."""
    index = (os.environ.get("UV_DEFAULT_INDEX") or os.environ.get("PIP_INDEX_URL") or "https://pypi.org/simple").rstrip(
        "/"
    )
    listing = cache / f"{package}.json"
    if not listing.is_file():
        cache.mkdir(parents=True, exist_ok=True)
        listing.write_bytes(_get(f"{index}/{package}/", Accept="application/vnd.pypi.simple.v1+json"))
    file = newest(json.loads(listing.read_bytes())["files"], created)
    if file is None:
        raise OSError(f"the package index has no source distribution of {package} from before {created:%Y-%m-%d}")
    folder = cache / file["filename"].removesuffix(".tar.gz")
    if not folder.is_dir():
        _unpack(_checked(file, urllib.parse.urljoin(f"{index}/{package}/", file["url"])), folder)
    head = subprocess.check_output(["git", "-C", folder, "rev-parse", "HEAD"], text=True)
    return Source(folder / ".git", head.strip())


def newest(files: list[dict[str, Any]], created: datetime) -> dict[str, Any] | None:
    """Return the source distribution of the highest final version that was published before a moment."""
    found = []
    for file in files:
        try:
            version = parse_sdist_filename(file["filename"])[1]
        except (ValueError, InvalidVersion):
            continue
        published = file.get("upload-time", "")
        early = published and datetime.fromisoformat(published) < created
        if early and not version.is_prerelease and file["filename"].endswith(".tar.gz"):
            found.append((version, file))
    return max(found, key=lambda entry: entry[0])[1] if found else None


def _checked(file: Mapping[str, Any], url: str) -> bytes:
    """Fetch a distribution and compare its hash with the one that the index lists."""
    body = _get(url)
    digest = hashlib.sha256(body).hexdigest()
    if digest != file["hashes"]["sha256"]:
        raise OSError(f"{file['filename']} has SHA-256 {digest}, expected {file['hashes']['sha256']}")
    return body


def _unpack(archive: bytes, folder: Path) -> None:
    """Unpack a distribution and commit what is in it; a half-made folder is never left."""
    with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
        packed = Path(scratch) / "sdist.tar.gz"
        packed.write_bytes(archive)
        with tarfile.open(packed) as tar:
            tar.extractall(scratch, filter="data")
        packed.unlink()
        (root,) = Path(scratch).iterdir()
        # Packing in the background would take CPU from what is measured.
        who = ["-c", "user.name=benchmark", "-c", "user.email=benchmark@localhost", "-c", "core.autocrlf=false"]
        quiet = ["-c", "gc.auto=0"]
        for command in (["init", "-q"], [*quiet, "add", "-f", "."], [*quiet, *who, "commit", "-q", "-m", folder.name]):
            subprocess.run(["git", *command], cwd=root, check=True)
        root.rename(folder)


def _get(url: str, **headers: str) -> bytes:
    """Fetch a URL."""
    request = urllib.request.Request(url, headers=headers)
    with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as answer:
        body: bytes = answer.read()
        return body
