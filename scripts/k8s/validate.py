"""`make k8s-validate`: renders every combination, checks each manifest strictly, and explains what checkov finds."""

from __future__ import annotations

import itertools
import json
import os
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import jsonschema
import yaml

from scripts.k8s.render import BUILD, MANIFESTS, Choice, Manifest, images_of, kustomize_command, parse, render
from scripts.k8s.schemas import SCHEMAS
from scripts.k8s.shell import ROOT, K8sError, run, say, timed

#: The version of Kubernetes whose schemas are strict for us.
KUBERNETES = "1.34"
#: Checked with these; they live in environments of their own, because checkov's pins clash with ours.
VALIDATOR, CHECKOV = "kubernetes-validate==1.37.0", "checkov==3.3.30"
#: Components that an overlay may have or not; the others belong to an overlay.
OPTIONAL = ("keda", "monitoring", "gateway-api", "github-app", "ha-redis", "cert-manager", "webhook-batches")
#: What an overlay has already, or cannot have.
NOT_WITH = {"prod": {"keda"}, "dev": {"cert-manager"}}
#: Explanations of what checkov finds and we keep.
EXPLAINED = MANIFESTS / "checkov.yaml"
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")


def validate() -> int:
    """Check everything; returns an exit code and says each problem.

    Raises:
        K8sError: a tool could not be installed, or an overlay cannot be rendered.
    """
    choices = list(combinations())
    with timed(f"rendering {len(choices)} combinations"):
        documents = _distinct(_render_all(choices))
    say(f"{len(documents)} different manifests")
    problems = unversioned_images(documents)
    with timed("operators' kinds, strictly"):
        problems += strict_problems(documents)
    with timed(f"Kubernetes' kinds, strictly ({VALIDATOR})"):
        problems += kubernetes_problems(documents)
    with timed(CHECKOV):
        problems += checkov_problems(documents)
    for problem in problems:
        say(problem)
    say(f"{'k8s-validate: ' + str(len(problems)) + ' problems' if problems else 'k8s-validate: no problem'}")
    return 1 if problems else 0


def combinations() -> Iterator[Choice]:
    """Yield every overlay with every set of optional components."""
    overlays = sorted(path.name for path in (MANIFESTS / "overlays").iterdir())
    there = [name for name in OPTIONAL if (MANIFESTS / "components" / name).exists()]
    for overlay in overlays:
        free = [name for name in there if name not in NOT_WITH.get(overlay, set())]
        for count in range(len(free) + 1):
            for components in itertools.combinations(free, count):
                yield Choice(overlay, components, "registry.example.com/miyabi", "0.1.0")


def _render_all(choices: Sequence[Choice]) -> list[str]:
    """Render in parallel; each in a folder of its own."""
    kustomize_command()
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        jobs = [pool.submit(render, choice, name=f"check/{number}") for number, choice in enumerate(choices)]
        return [job.result() for job in jobs]


def _distinct(texts: Iterable[str]) -> list[Manifest]:
    """Return each manifest once, however many combinations have it."""
    documents = {document for text in texts for document in re.split(r"^---\n", text, flags=re.MULTILINE)}
    return parse("---\n".join(sorted(documents)))


def unversioned_images(documents: Sequence[Manifest]) -> list[str]:
    """Return containers whose image has no version, which neither kustomize nor a schema notices."""
    return [
        f"{_name(document)}: image {image} has no version"
        for document in documents
        for image in images_of([document])
        if ":" not in image.rpartition("/")[2]
    ]


def strict_problems(documents: Sequence[Manifest]) -> list[str]:
    """Return what the operators' schemas forbid; a kind that has none is a problem too."""
    problems = []
    for document in documents:
        group, _, version = document["apiVersion"].partition("/")
        if "." not in group or (group.endswith("k8s.io") and group != "gateway.networking.k8s.io"):
            continue
        path = SCHEMAS / f"{group}_{document['kind']}_{version}.json"
        if not path.exists():
            problems.append(f"{_name(document)}: there is no schema {path.relative_to(ROOT)}")
            continue
        checker = jsonschema.Draft7Validator(json.loads(path.read_text(encoding="utf-8")))
        problems += [f"{_name(document)}: {error.json_path} {error.message}" for error in checker.iter_errors(document)]
    return problems


def kubernetes_problems(documents: Sequence[Manifest]) -> list[str]:
    """Return what kubernetes-validate says against Kubernetes' own kinds."""
    own = [entry for entry in documents if "." not in entry["apiVersion"] or ".k8s.io/" in entry["apiVersion"]]
    own = [entry for entry in own if not entry["apiVersion"].startswith("gateway.")]
    file = _write("kubernetes.yaml", own)
    program = _tool("kubernetes-validate", VALIDATOR)
    output = run(str(program), "-k", KUBERNETES, "--strict", str(file), check=False)
    lines = _COLOURS.sub("", output).splitlines()
    passed = sum(" passed for resource " in line for line in lines)
    bad = [line for line in lines if line.startswith(("ERROR", "WARNING"))]
    if passed + len(bad) < len(own):
        bad.append(f"kubernetes-validate looked at {passed} of {len(own)} manifests: {output[-500:]}")
    return bad


def checkov_problems(documents: Sequence[Manifest]) -> list[str]:
    """Return findings of checkov that nobody explained, and explanations that explain nothing."""
    file = _write("checkov.yaml", documents)
    program = _tool("checkov", CHECKOV)
    arguments = ("--file", str(file), "--framework", "kubernetes", "--compact", "--quiet", "--output", "json")
    report = json.loads(run(str(program), *arguments, check=False))
    summary, failed = report["summary"], report["results"]["failed_checks"]
    if summary["passed"] < 1 or summary["parsing_errors"]:
        return [f"checkov did not look: {summary}"]
    explained = yaml.safe_load(EXPLAINED.read_text(encoding="utf-8"))
    used: set[int] = set()
    problems = []
    for finding in failed:
        fitting = [number for number, entry in enumerate(explained) if _fits(entry, finding)]
        used.update(fitting)
        if not fitting:
            problems.append(f"{finding['check_id']} {finding['resource']}: {finding['check_name']}")
    unused = [entry["check"] for number, entry in enumerate(explained) if number not in used]
    return sorted(set(problems)) + [f"{EXPLAINED.name} explains {check}, which is not found" for check in unused]


def _fits(entry: dict[str, Any], finding: dict[str, Any]) -> bool:
    """Tell whether an explanation is one of a finding."""
    return entry["check"] == finding["check_id"] and re.search(entry["resources"], finding["resource"]) is not None


def _name(document: Manifest) -> str:
    """Name a manifest."""
    return f"{document['kind']} {document['metadata']['name']}"


def _write(name: str, documents: Sequence[Manifest]) -> Path:
    """Write manifests for a program to read."""
    path = BUILD / "check" / name
    dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
    path.write_text(yaml.dump_all(documents, Dumper=dumper, sort_keys=False), encoding="utf-8")
    return path


def _tool(name: str, requirement: str) -> Path:
    """Return a program in an environment of its own, made where it is missing.

    Raises:
        K8sError: it could not be installed.
    """
    folder = ROOT / ".tools" / requirement.replace("==", "-")
    program = folder / "bin" / name
    if not program.exists():
        uv = str(ROOT / ".tools/uv")
        run(uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(folder))
        run(uv, "pip", "install", "--quiet", "--python", str(folder / "bin/python"), requirement)
    if not program.exists():
        raise K8sError(f"{requirement} has no program {name}")
    return program
