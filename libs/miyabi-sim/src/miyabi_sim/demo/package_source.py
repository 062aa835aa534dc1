"""Fetches source distributions, Django 3.2 for the demo, from the Python Package Index: once, their hashes checked."""

from __future__ import annotations

import hashlib
import json
import os
import tarfile
import tempfile
import urllib.parse
import urllib.request
from dataclasses import dataclass
from pathlib import Path

#: A download is tried this often.
TRIES = 3
#: Seconds for one answer.
TIMEOUT_SECONDS = 60


@dataclass(frozen=True)
class SourceDistribution:
    """A source distribution on the index.

    Args:
        project: Its normalised name there.
        file_name: Ends in `.tar.gz`; the part before is the folder in it.
        sha256: As the index publishes it, 64 hexadecimal digits.
    """

    project: str
    file_name: str
    sha256: str


#: What the demo works on (BSD-3-Clause).
DJANGO = SourceDistribution(
    "django", "Django-3.2.tar.gz", "21f0f9643722675976004eb683c55d33c05486f94506672df3d6a141546f389d"
)


def ensure_source(cache_dir: Path, distribution: SourceDistribution = DJANGO) -> Path:
    """Return the root of the unpacked source, fetched where it is not in the cache.

    Args:
        cache_dir: Kept between runs; a half-unpacked tree is never left in it.
        distribution: Which; by default the demo's Django.

    Raises:
        OSError: the index is out of reach, has no such file, or gave another one.
    """
    target = cache_dir / distribution.file_name.removesuffix(".tar.gz")
    if target.is_dir():
        return target
    cache_dir.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache_dir) as scratch:
        archive = Path(scratch) / distribution.file_name
        archive.write_bytes(_download(distribution))
        with tarfile.open(archive) as tar:
            if hasattr(tarfile, "data_filter"):
                tar.extractall(scratch, filter="data")
            else:
                # Debian 12's Python is older than the filter; the archive's hash is known, so it may do without.
                tar.extractall(scratch)  # noqa: S202
        try:
            (Path(scratch) / target.name).rename(target)
        except OSError:
            if not target.is_dir():  # another process was faster
                raise
    return target


def _download(distribution: SourceDistribution) -> bytes:
    """Fetch the archive and check its hash."""
    index = (os.environ.get("UV_DEFAULT_INDEX") or os.environ.get("PIP_INDEX_URL") or "https://pypi.org/simple").rstrip(
        "/"
    )
    folder, name = f"{index}/{distribution.project}/", distribution.file_name
    page = json.loads(_get(folder, Accept="application/vnd.pypi.simple.v1+json"))
    links = [file["url"] for file in page["files"] if file["filename"].casefold() == name.casefold()]
    if not links:
        raise OSError(f"the package index has no {name}")
    body = _get(urllib.parse.urljoin(folder, links[0]))
    digest = hashlib.sha256(body).hexdigest()
    if digest != distribution.sha256:
        raise OSError(f"{name} has SHA-256 {digest}, expected {distribution.sha256}")
    return body


def _get(url: str, **headers: str) -> bytes:
    """Fetch a URL; OSError after all tries."""
    for attempt in range(1, TRIES + 1):
        try:
            request = urllib.request.Request(url, headers=headers)  # noqa: S310 - the index is the user's own choice
            with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as answer:  # noqa: S310
                body: bytes = answer.read()
                return body
        except OSError:
            if attempt == TRIES:
                raise
    raise AssertionError
