"""Go: modules and workspaces, `go test -json`."""

from __future__ import annotations
