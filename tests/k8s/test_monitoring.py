"""Alerts are proved by promtool, each has its runbook, and what a dashboard draws is exported."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from scripts.bootstrap.go_programs import PROMTOOL
from scripts.bootstrap.step import ROOT
from scripts.docs.reference.metrics import described
from scripts.k8s.render import MANIFESTS

MONITORING = MANIFESTS / "components/monitoring"
SITUATIONS = Path(__file__).with_name("rules_test.yaml")


@pytest.fixture(scope="module")
def groups() -> list[dict[str, Any]]:
    """The groups of rules."""
    manifest = yaml.safe_load((MONITORING / "rules.yaml").read_text(encoding="utf-8"))
    found: list[dict[str, Any]] = manifest["spec"]["groups"]
    return found


@pytest.fixture(scope="module")
def alerts(groups: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The alerts by name."""
    return {rule["alert"]: rule for group in groups for rule in group["rules"] if "alert" in rule}


@pytest.mark.slow("promtool is built from source, which costs minutes once")
def test_each_situation_raises_its_alerts_and_no_others(groups: list[dict[str, Any]], tmp_path: Path) -> None:
    """Promtool evaluates the rules over made-up series, and finds what is expected."""
    assert PROMTOOL.path.exists(), "there is no promtool: run `make promtool`"
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump({"groups": groups}))
    situations = yaml.safe_load(SITUATIONS.read_text(encoding="utf-8"))
    (tmp_path / "test.yaml").write_text(yaml.safe_dump({"rule_files": ["rules.yaml"], **situations}))
    for command in (["check", "rules", "--lint-fatal", "rules.yaml"], ["test", "rules", "test.yaml"]):
        done = subprocess.run([PROMTOOL.path, *command], cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


def test_each_alert_is_raised_in_a_situation(alerts: dict[str, dict[str, Any]]) -> None:
    """No alert stands there that nobody has seen."""
    tests = yaml.safe_load(SITUATIONS.read_text(encoding="utf-8"))["tests"]
    raised = {entry["alertname"] for test in tests for entry in test["alert_rule_test"] if entry.get("exp_alerts")}
    assert raised == set(alerts)


def test_each_alert_names_a_runbook_that_is_there(alerts: dict[str, dict[str, Any]]) -> None:
    """Whoever is woken finds what to do, from the alert and from the list."""
    listed = (ROOT / "docs/runbooks/README.md").read_text(encoding="utf-8")
    for name, alert in alerts.items():
        runbook = ROOT / alert["annotations"]["runbook"]
        assert runbook.is_file(), name
        assert f"({runbook.name})" in listed, name


def test_what_is_drawn_and_watched_is_exported(groups: list[dict[str, Any]]) -> None:
    """Each metric in the dashboard and in the rules is documented, which is compared with what services export."""
    known = {name for name, *_ in described()}
    known |= {f"{name}{ending}" for name in known for ending in ("_count", "_bucket", "_sum")}
    board = json.loads((MONITORING / "grafana-dashboard.json").read_text(encoding="utf-8"))
    drawn = [target["expr"] for panel in board["panels"] for target in panel.get("targets", [])]
    watched = [rule["expr"] for group in groups for rule in group["rules"]]
    used = set(re.findall(r"\b(?:miyabi|rpc_server)_[a-z0-9_]+", " ".join([*drawn, *watched])))
    assert used - known == set()
    assert len(drawn) > 20
