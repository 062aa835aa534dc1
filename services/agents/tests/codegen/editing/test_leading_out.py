"""Links that lead out of the repository: refused as what no change may do."""

from __future__ import annotations

import pytest

from miyabi_agents.errors import CallRefusedError
from services.agents.tests.codegen.editing.conftest import Open


async def test_links_that_lead_out_are_attempts(on_files: Open) -> None:
    """A link to a place outside, read or written, is refused for that; one within is only not followed."""
    files = {"out": b"/etc/passwd", "up": b"../../x", "in": b"a.py", "a.py": b"a = 1\n"}
    async with on_files(files, dict.fromkeys(("out", "up", "in"), "120000")) as opened:
        for path in ("out", "up", "up/x"):
            with pytest.raises(CallRefusedError):
                await opened.tools.read({"path": path})
            with pytest.raises(CallRefusedError):
                await opened.tools.create({"path": path, "content": "x"})
        with pytest.raises(ValueError, match="use the path that it leads to") as caught:
            await opened.tools.read({"path": "in"})
        assert not isinstance(caught.value, CallRefusedError)
