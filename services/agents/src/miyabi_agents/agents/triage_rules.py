"""Triage without a model: words in English and Japanese, used carefully."""

from __future__ import annotations

import re
from typing import Any

#: Words of each type, the most telling family first; a word counts once.
_TYPES = {
    "bug": (
        r"bug|error|crash\w*|fail\w*|broken|incorrect|wrong|regression|exception|traceback|raises?|does not work|"
        r"doesn't work|バグ|不具合|エラー|失敗|壊れ|動かない|クラッシュ"
    ),
    "docs": r"docs?\b|documentation|typo|readme|docstring|ドキュメント|誤字|説明",
    "test": r"\btests?\b|flaky|coverage|テスト",
    "refactor": r"refactor\w*|clean ?up|simplif\w+|rename|remove dead|リファクタ|整理",
    "deployment": r"deploy\w*|release|docker\w*|kubernetes|pipeline|\bci\b|デプロイ|リリース",
    "architecture": r"architecture|redesign|migrat\w+ to|設計|アーキテクチャ",
    "feature": r"add\b|support|feature|allow|implement|new\b|enhancement|追加|対応|新機能|実装",
}
_URGENT = r"data loss|security|vulnerab\w+|production down|outage|urgent|緊急|データ損失|脆弱性|本番"
_HIGH = r"crash\w*|regression|cannot|unable|blocks?\b|クラッシュ|できない"
_GREETING = r"^\W*(welcome|hello|ようこそ|getting started)"
_CONVENTIONAL = {
    "feat": "feature",
    "fix": "bug",
    "docs": "docs",
    "test": "test",
    "refactor": "refactor",
    "ci": "deployment",
    "build": "deployment",
}


def by_rules(title: str, body: str) -> dict[str, Any]:
    """Return what the words of an issue suggest; the confidence is low, and says so.

    A greeting (the first issue of a template) is never a bug and never urgent, whatever words its text uses.
    """
    greeting = re.search(_GREETING, title, re.IGNORECASE) is not None
    text = f"{title}\n{title}\n{body}"
    kind = "docs" if greeting else _type_of(title, text)
    urgent = not greeting and kind == "bug" and bool(_found(_URGENT, text))
    high = not greeting and kind == "bug" and bool(_found(_HIGH, text))
    priority = "P0" if urgent and high else "P1" if urgent or high else "P3" if greeting or kind == "docs" else "P2"
    severity = {"P0": "Sev.1", "P1": "Sev.2", "P2": "Sev.3", "P3": "Sev.4"}[priority]
    long = len(body) > 3000
    return {
        "type": kind,
        "priority": priority,
        "severity": severity,
        "complexity": "large" if long else "medium" if len(body) > 800 else "small",
        "size": "L" if long else "M" if len(body) > 800 else "S",
        "area": "",
        "confidence": 0.4,
        "analysis": f"Decided by rules, without a model: the words of the issue suggest {kind}, {priority}.",
    }


def _found(pattern: str, text: str) -> list[str]:
    """Return the matches of a pattern that do not begin in the middle of a Latin word: `terror` is no error."""
    return re.findall(rf"(?<![A-Za-z])(?:{pattern})", text, re.IGNORECASE)


def _type_of(title: str, text: str) -> str:
    """Return the type that most words speak for; the title's conventional prefix decides at once."""
    prefix = re.match(r"\s*(\w+)(\([^)]*\))?!?:", title)
    if prefix and prefix.group(1).lower() in _CONVENTIONAL:
        return _CONVENTIONAL[prefix.group(1).lower()]
    counts = {kind: len(_found(pattern, text)) for kind, pattern in _TYPES.items()}
    best = max(counts, key=lambda kind: counts[kind])
    return best if counts[best] else "feature"
