"""What the documents say of the repository file is what the product reads."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from miyabi_agents.verification.config import EnvConfig, TargetRule, parse
from miyabi_agents.verification.config import TestConfig as RunConfig

ROOT = Path(__file__).resolve().parents[3]
DOCUMENT = (ROOT / "docs/repository-file.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^```yaml\n(.*?)^```", DOCUMENT, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("text", EXAMPLES)
def test_every_example_is_taken(text: str) -> None:
    """As it stands, without an unknown key."""
    parse(text, where="the example")


def test_the_readmes_example_is_taken() -> None:
    """The first one that a person copies."""
    (text,) = re.findall(r"^```yaml\n(test:.*?)^```", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL)
    assert parse(text, where="the example").env.requirements == ["freezegun"]


def test_every_field_is_described_and_shown() -> None:
    """A row of a table, and a line of the first example."""
    for fields in (RunConfig.model_fields, EnvConfig.model_fields):
        assert [name for name in fields if f"| `{name}` |" not in DOCUMENT] == []
        assert [name for name in fields if f"  {name}:" not in EXAMPLES[0]] == []
    assert [name for name in TargetRule.model_fields if f"`{name}`" not in DOCUMENT] == []


def test_every_format_is_named() -> None:
    """None is a secret."""
    formats = RunConfig.model_fields["format"].annotation.__args__  # type: ignore[union-attr]
    assert [name for name in formats if f"`{name}`" not in DOCUMENT] == []
