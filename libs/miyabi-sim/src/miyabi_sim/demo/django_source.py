"""Fetches Django 3.2 from the Python Package Index: once, with its hash checked."""

from __future__ import annotations

import hashlib
import json
import os
import tarfile
import tempfile
import urllib.parse
import urllib.request
from pathlib import Path

#: The source distribution that the demo works on, with the hash that the index publishes (BSD-3-Clause).
FILE_NAME = "Django-3.2.tar.gz"
SHA256 = "21f0f9643722675976004eb683c55d33c05486f94506672df3d6a141546f389d"
#: A download is tried this often.
TRIES = 3
#: Seconds for one answer.
TIMEOUT_SECONDS = 60


def ensure_source(cache_dir: Path) -> Path:
    """Return the root of the unpacked source, fetched where it is not in the cache.

    Args:
        cache_dir: Kept between runs; a half-unpacked tree is never left in it.

    Raises:
        OSError: the index is out of reach, has no such file, or gave another one.
    """
    target = cache_dir / FILE_NAME.removesuffix(".tar.gz")
    if target.is_dir():
        return target
    cache_dir.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache_dir) as scratch:
        archive = Path(scratch) / FILE_NAME
        archive.write_bytes(_download())
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


def _download() -> bytes:
    """Fetch the archive and check its hash."""
    index = (os.environ.get("UV_DEFAULT_INDEX") or os.environ.get("PIP_INDEX_URL") or "https://pypi.org/simple").rstrip(
        "/"
    )
    page = json.loads(_get(f"{index}/django/", Accept="application/vnd.pypi.simple.v1+json"))
    links = [file["url"] for file in page["files"] if file["filename"].casefold() == FILE_NAME.casefold()]
    if not links:
        raise OSError(f"the package index has no {FILE_NAME}")
    body = _get(urllib.parse.urljoin(f"{index}/django/", links[0]))
    digest = hashlib.sha256(body).hexdigest()
    if digest != SHA256:
        raise OSError(f"{FILE_NAME} has SHA-256 {digest}, expected {SHA256}")
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
