"""A stranger's text: what issues, repositories, models and tools wrote, kept apart from what we wrote."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NoReturn, final


class LeakedTextError(TypeError):
    """Text of a stranger was about to become part of another text without a surface that makes it harmless."""

    def __init__(self) -> None:
        super().__init__("text of a stranger is shown through a surface only")


@final
@dataclass(frozen=True, slots=True, repr=False)
class Untrusted:
    """Text that only a surface can show: each surface has functions that take this and return a type of their own.

    It cannot become part of another text by accident: `str()`, `format()` and f-strings refuse it, and its
    representation tells its length alone.

    Args:
        raw: What the stranger wrote, as it came; only the surfaces read it.
    """

    raw: str

    def __str__(self) -> NoReturn:
        """Refuse.

        Raises:
            LeakedTextError: always.
        """
        raise LeakedTextError

    def __format__(self, _spec: str) -> NoReturn:
        """Refuse.

        Raises:
            LeakedTextError: always.
        """
        raise LeakedTextError

    def __repr__(self) -> str:
        """Tell the length, and nothing of the text."""
        return f"Untrusted({len(self.raw)} characters)"

    def __bool__(self) -> bool:
        """Tell whether there is any text."""
        return bool(self.raw)

    def __len__(self) -> int:
        """Return the number of characters."""
        return len(self.raw)
