"""What the simulators are started with: Django as in the demo, and an issue each of three other projects."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import yaml
from ecosystems.packages import source_of
from toy_repository import Toy

from miyabi_sim.demo import files

#: The demo's issue whose tests take least time.
DJANGO_ISSUE = 15347
#: What goes wrong in each project, and what the model does about it.
ENTRIES: list[dict[str, Any]] = yaml.safe_load(Path(__file__).with_name("issues.yaml").read_text(encoding="utf-8"))
#: Every repository with its one issue.
ISSUES: dict[str, int] = {
    files.REPOSITORY: DJANGO_ISSUE,
    **{entry["repository"]: entry["number"] for entry in ENTRIES},
}


def write(folder: Path) -> Toy:
    """Fetch the sources, write seed, scenarios and the operator's file for Django below *folder*."""
    django = files.prepare(folder / "django")
    seed = json.loads(django.seed.read_text(encoding="utf-8"))
    scenarios = folder / "scenarios"
    shutil.copytree(django.scenarios, scenarios)
    for entry in ENTRIES:
        owner, _, name = entry["repository"].partition("/")
        source = str(source_of(entry["package"], folder / entry["package"]))
        seed["repositories"].append({
            "owner": owner, "name": name, "default_branch": "main", "private": False, "source": source, "labels": [],
        })  # fmt: skip
        issue = {key: entry[key] for key in ("repository", "number", "title", "body")}
        seed["issues"].append({**issue, "labels": [], "author": "someone"})
        (scenarios / f"{name}.yaml").write_text(yaml.safe_dump(_scenarios(entry)), encoding="utf-8")
    operators = folder / "data/repositories" / f"{files.REPOSITORY}.yaml"
    operators.parent.mkdir(parents=True)
    shutil.copyfile(django.repository_config, operators)
    path = folder / "seed.json"
    path.write_text(json.dumps(seed), encoding="utf-8")
    return Toy(path, scenarios)


def _scenarios(entry: dict[str, Any]) -> list[dict[str, Any]]:
    """Return what the model says on an issue, step by step."""
    triage = {
        "type": "bug", "priority": "P2", "severity": "Sev.3", "complexity": "small", "size": "XS",
        "area": "", "confidence": 0.9, "analysis": entry["title"],
    }  # fmt: skip
    step = {"title": "Mend it", "description": entry["title"], "depends_on": []}
    plan = {"tasks": [step], "files": [entry["source"]], "notes": ""}
    finish = {"summary": entry["title"], "changed_expectations": []}
    steps: dict[str, list[tuple[str, dict[str, Any]]]] = {
        "record_triage": [("record_triage", triage)],
        "record_plan": [("record_plan", plan)],
        "finish_tests": [("replace_in_file", entry["test"]), ("finish_tests", {**finish, "tests": []})],
        "finish_change": [("replace_in_file", entry["change"]), ("finish_change", finish)],
    }
    return [
        {
            "name": f"{entry['repository']} {tool}",
            "when": {"tool": tool, "contains": [f"{entry['repository']}#{entry['number']}"]},
            "turns": [[{"tool": name, "input": given}] for name, given in calls],
        }
        for tool, calls in steps.items()
    ]
