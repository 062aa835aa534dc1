"""Where the documentation comes from and where it is built."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
#: Pages that people write.
WRITTEN = ROOT / "docs"
#: Everything that the site is built from: written pages with links that lead somewhere, generated ones, sources.
STAGED = ROOT / "build/docs-source"
#: The site.
SITE = ROOT / "build/docs"
#: Environment of mkdocs, beside that of the project: neither needs anything of the other.
ENVIRONMENT = ROOT / ".tools/docs"
#: Files at the root that are pages of the site too, by the name that they get.
PROJECT_PAGES = {
    "README.md": "project/overview.md",
    "ARCHITECTURE.md": "project/architecture.md",
    "SECURITY.md": "project/security.md",
    "CHANGELOG.md": "project/changes.md",
}
