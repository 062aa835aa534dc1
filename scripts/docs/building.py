"""Builds the site with mkdocs, in an environment of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import yaml

from scripts.bootstrap.step import TOOLS, digest, once, run
from scripts.docs.nav import navigation
from scripts.docs.reference import write_reference
from scripts.docs.staging import stage
from scripts.docs.tree import ENVIRONMENT, ROOT, SITE, STAGED

#: Where the site's looks and rules are.
_CONFIG = ROOT / "scripts/docs/mkdocs.yml"
#: What the site's looks are beside those of the theme.
_STYLE = ROOT / "scripts/docs/site.css"


def build() -> None:
    """Build the site into `build/docs`; a warning of mkdocs ends it.

    Raises:
        BrokenLinkError: a written page links to what is not in the tree.
        SystemExit: mkdocs is not content, or its packages cannot be had.
    """
    _install()
    pages = stage(STAGED / "pages")
    pages = sorted({*pages, *write_reference(STAGED / "pages")})
    shutil.copyfile(_STYLE, STAGED / "pages" / _STYLE.name)
    config = STAGED / "mkdocs.yml"
    settings = {"INHERIT": str(_CONFIG), "docs_dir": "pages", "site_dir": str(SITE), "nav": navigation(pages)}
    config.write_text(yaml.safe_dump(settings, sort_keys=False, allow_unicode=True), encoding="utf-8")
    command = [str(ENVIRONMENT / "bin/mkdocs"), "build", "--strict", "--clean", "--quiet", "--config-file", str(config)]
    # The theme says at each start that it will be followed by another one; ADR 50 does.
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    ended = subprocess.run(command, cwd=ROOT, env=environment, check=False)
    if ended.returncode:
        sys.exit(f"docs: mkdocs ended with {ended.returncode}")


def _install() -> None:
    """Install what the group `docs` of the lock file names."""
    once("documentation", digest([ROOT / "uv.lock"], sys.version), _sync, proof=ENVIRONMENT / "bin/mkdocs")


def _sync() -> None:
    """Bring the environment to what is locked."""
    command = (TOOLS / "uv", "sync", "--frozen", "--only-group", "docs", "--quiet", "--python", sys.executable)
    run(*command, UV_PROJECT_ENVIRONMENT=str(ENVIRONMENT))
