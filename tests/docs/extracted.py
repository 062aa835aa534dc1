"""Takes code out of the documentation's pages, so that tests run what readers copy."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).resolve().parents[2]
#: Pages that readers follow: those of docs/ but the decisions, which tell of a day, and the files at the root.
PAGES = sorted(
    [path for path in (ROOT / "docs").rglob("*.md") if "adr" not in path.parts]
    + [ROOT / "README.md", ROOT / "ARCHITECTURE.md", ROOT / "SECURITY.md"]
)
#: A fence of code: its language and title, its lines.
FENCE = re.compile(r"^(?P<indent> *)```(?P<info>[^\n]*)\n(?P<code>.*?)^ *```", re.MULTILINE | re.DOTALL)


def example(page: str, folder: Path) -> ModuleType:
    """Write the titled block of a page into a file, and import it.

    Args:
        page: Below `docs/extend`, without its ending.
        folder: Where the file goes.
    """
    text = (ROOT / f"docs/extend/{page}.md").read_text(encoding="utf-8")
    ((name, code),) = re.findall(r'^```python title="(\w+\.py)"\n(.*?)^```', text, re.MULTILINE | re.DOTALL)
    file = folder / name
    file.write_text(code, encoding="utf-8")
    spec = importlib.util.spec_from_file_location(f"documented_{file.stem}", file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
