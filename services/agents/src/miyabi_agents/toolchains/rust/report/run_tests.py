"""Runs the test binaries and doc tests of some packages, and writes what libtest logged to a report.

    python3 -I run_tests.py CARGO TREE PROJECT FEATURES FOLDER…       (no folder: the whole workspace)

FEATURES are named as `package/feature`, separated by commas; those of packages that are not run are left out.

libtest writes a log of its own (`--logfile`), which what tests print cannot reach. Plain Python of the standard
library: it is run in the sandbox, by whatever interpreter is there.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

#: Tests that are run one by one after their binary was ended in the middle.
MAX_SINGLE = 300
#: Longest reason that is kept.
MAX_REASON = 2000
#: Longest output of one binary that reasons are looked for in.
MAX_OUTPUT = 16 << 20
#: Seconds for a binary to list its tests.
LIST_SECONDS = 60

CARGO, TREE, PROJECT = sys.argv[1], Path(sys.argv[2]).resolve(), Path(sys.argv[3]).resolve()
FEATURES, FOLDERS = [name for name in sys.argv[4].split(",") if name], sys.argv[5:]
#: What every command of cargo gets.
OFFLINE = ["--offline", *(["--locked"] if (PROJECT / "Cargo.lock").exists() else [])]
#: Kinds of a target that are a library.
LIBRARIES = {"lib", "rlib", "dylib", "cdylib", "staticlib", "proc-macro"}


class Report:
    """The report of a run."""

    def __init__(self, path: Path) -> None:
        self.file = path.open("w", encoding="utf-8")
        self.bad = False

    def write(self, kind: str, **fields: Any) -> None:
        """Write one event."""
        self.file.write(json.dumps({"kind": kind, **fields}) + "\n")

    def test(self, name: str, status: str, reason: str = "") -> None:
        """Write the verdict on one test."""
        self.bad = self.bad or status == "failed"
        self.write("test", name=name, status=status, message=reason[:MAX_REASON])


def build(report: Report) -> tuple[list[dict[str, Any]], list[str]]:
    """Compile all test binaries; what does not compile is written down, and the rest is compiled all the same.

    Returns what was made, and cargo's options that select the same packages with the same features.
    """
    there = [folder for folder in FOLDERS if (TREE / folder / "Cargo.toml").is_file()]
    known = members()
    there = [folder for folder in there if (TREE / folder).resolve() in known]
    if FOLDERS and not there:
        return [], []
    selected = [word for folder in there for word in ("-p", known[(TREE / folder).resolve()][0])]
    names = {known[(TREE / folder).resolve()][1] for folder in there} or {name for _, name in known.values()}
    selected = [*(selected or ["--workspace"]), *enabled(names)]
    common = [*selected, *OFFLINE, "--message-format=json"]
    artifacts, status = compile_with([CARGO, "test", "--no-run", *common], None)
    if status:
        artifacts, status = compile_with([CARGO, "build", "--tests", "--bins", "--keep-going", *common], report)
        report.bad = True
    return artifacts, selected


def enabled(packages: set[str]) -> list[str]:
    """Return cargo's option that switches on the features of some packages."""
    named = [feature for feature in FEATURES if feature.partition("/")[0] in packages]
    return ["--features", ",".join(named)] if named else []


@cache
def members() -> dict[Path, tuple[str, str]]:
    """Return how cargo names the packages of the workspace, with their plain names, by their folders."""
    command = [CARGO, "metadata", "--no-deps", "--format-version", "1", *OFFLINE]
    said = subprocess.run(command, stdout=subprocess.PIPE, check=False).stdout
    packages = json.loads(said or b"{}").get("packages", [])
    return {Path(entry["manifest_path"]).resolve().parent: (entry["id"], entry["name"]) for entry in packages}


def forget_members() -> None:
    """Make cargo compile the workspace's own packages anew.

    It knows them by their place in the workspace, and takes what base's build left for fresh where the files of this
    checkout are older than that: base would be tested.
    """
    names = {name for _, name in members().values()}
    target = Path(os.environ["CARGO_TARGET_DIR"])
    for fingerprint in target.glob("*/.fingerprint/*"):
        if fingerprint.name.rpartition("-")[0] in names:
            shutil.rmtree(fingerprint, ignore_errors=True)


def compile_with(command: list[str], report: Report | None) -> tuple[list[dict[str, Any]], int]:
    """Run one build; returns what it made. Errors are written down where a report is given."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, encoding="utf-8", errors="replace")
    assert process.stdout is not None
    artifacts: list[dict[str, Any]] = []
    errors: dict[str, str] = {}
    for line in process.stdout:
        try:
            event = json.loads(line)
        except ValueError:
            continue
        if event.get("reason") == "compiler-artifact":
            artifacts.append(event)
        elif event.get("reason") == "compiler-message" and event["message"].get("level") == "error":
            source = relative(event["target"]["src_path"])
            errors[source] = (errors.get(source, "") + (event["message"].get("rendered") or ""))[:MAX_REASON]
            sys.stdout.write(event["message"].get("rendered") or "")
    status = process.wait()
    if report is not None:
        for source, text in errors.items():
            report.write("unbuilt", name=source, message=text)
        if status and not errors:
            report.write("problem", problem=f"cargo could not build the tests (status {status})")
    return artifacts, status


def relative(path: str) -> str:
    """Return a path relative to the checkout."""
    try:
        return Path(path).resolve().relative_to(TREE).as_posix()
    except ValueError:
        return path


def file_of(source: str, name: str) -> str:
    """Return a test's name by the file that it stands in: its modules are followed from the target's root file."""
    at = TREE / source
    folder = at.parent
    parts = name.split("::")
    while len(parts) > 1:
        found = next(
            (file for file in (folder / f"{parts[0]}.rs", folder / parts[0] / "mod.rs") if file.is_file()), None
        )
        if found is None:
            break
        at, folder = found, folder / parts[0]
        parts = parts[1:]
    return "::".join([relative(str(at)), *parts])


def flag_of(target: dict[str, Any]) -> list[str]:
    """Return cargo's option that names a target."""
    kind = target["kind"][0]
    return ["--lib"] if kind in LIBRARIES else [f"--{kind}", target["name"]]


def listed(executable: str, folder: str) -> list[str] | None:
    """Return the tests of a binary; None where it is no binary of libtest."""
    try:
        ended = subprocess.run(
            [executable, "--list"], cwd=folder, capture_output=True, timeout=LIST_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    lines = ended.stdout.decode("utf-8", "replace").split("\n")
    if ended.returncode or not any(re.fullmatch(r"\d+ tests?, \d+ benchmarks?", line) for line in lines):
        return None
    return [line[: -len(": test")] for line in lines if line.endswith(": test")]


def logged(command: list[str], rest: list[str]) -> tuple[dict[str, str], str, int]:
    """Run a binary by cargo; returns the verdicts that libtest logged, what was printed, and the exit status."""
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        ended = subprocess.run(
            [*command, "--", *rest, "--logfile", str(log)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )
        text = log.read_text("utf-8", "replace") if log.is_file() else ""
    verdicts: dict[str, str] = {}
    for line in text.split("\n"):
        word, _, name = line.partition(" ")
        if word in {"ok", "failed", "ignored"} and name:
            verdicts[name.removesuffix(" - should panic")] = {"ok": "passed", "failed": "failed", "ignored": "skipped"}[
                word
            ]
    output = ended.stdout[:MAX_OUTPUT].decode("utf-8", "replace")
    sys.stdout.write(output)
    return verdicts, output, ended.returncode


@cache
def host() -> str:
    """Return how rustc names the machine that it compiles for."""
    said = subprocess.run([os.environ.get("RUSTC", "rustc"), "-vV"], capture_output=True, text=True, check=True).stdout
    return next(line.partition(": ")[2] for line in said.split("\n") if line.startswith("host: "))


def alone(executable: str) -> list[str]:
    """Return cargo's options that let it run one binary of those that it was asked for, with what it tells each."""
    runner = [sys.executable, "-I", str(Path(__file__).with_name("only.py")), executable]
    return ["--config", f"target.{host()}.runner={json.dumps(runner)}"]


def binary(report: Report, artifact: dict[str, Any], selected: list[str]) -> None:
    """Run one test binary.

    The same packages are selected as for the build: cargo joins the features that they ask of each other, and would
    compile another binary for one of them alone.
    """
    target = artifact["target"]
    source, folder = relative(target["src_path"]), str(Path(artifact["manifest_path"]).parent)
    names = listed(artifact["executable"], folder)
    command = [CARGO, "test", *selected, *OFFLINE, *alone(artifact["executable"]), *flag_of(target)]
    if names is None:
        status = subprocess.run(command, check=False).returncode
        report.test(source, "failed" if status else "passed", f"it ended with status {status}" if status else "")
        return
    verdicts, output, status = logged(command, [])
    reasons = failures(output)
    missing = [name for name in names if name not in verdicts]
    for name in missing[:MAX_SINGLE]:
        found, printed, ended = logged(command, ["--exact", name, "--include-ignored"])
        verdicts[name] = found.get(name, "failed")
        if name not in found:
            reasons[name] = f"It ended its test binary (status {ended}).\n{printed[-MAX_REASON:]}"
        reasons |= failures(printed)
    for name, verdict in verdicts.items():
        report.test(file_of(source, name), verdict, reasons.get(name, ""))
    report.write(
        "binary",
        name=source,
        tests=len(names),
        verdicts=len(verdicts),
        status=status,
        failed=sum(verdict == "failed" for verdict in verdicts.values()),
    )


def failures(output: str) -> dict[str, str]:
    """Return what failed tests printed, by their names; for people only."""
    parts = re.split(r"^---- (.+?) stdout ----$", output, flags=re.MULTILINE)
    return {
        name: text.split("\nfailures:\n")[0].strip()[:MAX_REASON]
        for name, text in zip(parts[1::2], parts[2::2], strict=False)
    }


def rustdoc(manifest: str, spec: str, name: str) -> subprocess.CompletedProcess[bytes]:
    """Run the doc tests of a package, with the features that are on."""
    command = [CARGO, "test", *OFFLINE, "--manifest-path", manifest, "-p", spec, "--doc", *enabled({name})]
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)


def documents(report: Report, artifact: dict[str, Any]) -> None:
    """Run the doc tests of a library; each is a program of its own, whose output rustdoc keeps for itself.

    Only lines that directly follow `running N tests` are taken, N of them: what a failed one printed comes later.
    """
    package = Path(artifact["manifest_path"]).parent
    ended = rustdoc(artifact["manifest_path"], *members()[package.resolve()])
    output = ended.stdout[:MAX_OUTPUT].decode("utf-8", "replace")
    sys.stdout.write(output)
    reasons, planned, count, failed, left = failures(output), 0, 0, 0, 0
    for line in output.split("\n"):
        begun = re.fullmatch(r"running (\d+) tests?", line)
        found = (
            re.fullmatch(r"test (.+?) - (.*?) ?\(line \d+\)(?: - [a-z ]+)? \.\.\. (ok|FAILED|ignored.*)", line)
            if left
            else None
        )
        if begun:
            left = int(begun[1])
            planned += left
        elif found:
            left, count = left - 1, count + 1
            verdict = {"ok": "passed", "FAILED": "failed"}.get(found[3], "skipped")
            failed += verdict == "failed"
            file = relative(str(package / found[1])) if (package / found[1]).exists() else found[1]
            reason = next((text for name, text in reasons.items() if name.startswith(f"{found[1]} - {found[2]}")), "")
            report.test(f"{file}::doc {found[2]}".strip(), verdict, reason)
        elif line == "failures:":
            left = 0
    report.write(
        "binary",
        name=f"{relative(artifact['target']['src_path'])} (doc tests)",
        tests=planned,
        verdicts=count,
        status=ended.returncode,
        failed=failed,
    )


def main() -> int:
    """Build, then run everything."""
    report = Report(Path(os.environ["MIYABI_REPORT"]) / "cargo.jsonl")
    forget_members()
    artifacts, selected = build(report)
    for artifact in artifacts:
        if artifact.get("executable") and artifact["profile"]["test"] and "bench" not in artifact["target"]["kind"]:
            binary(report, artifact, selected)
    seen: set[str] = set()
    for artifact in artifacts:
        own = Path(artifact["manifest_path"]).is_relative_to(TREE) and artifact["package_id"] not in seen
        if (
            own
            and artifact["target"].get("doctest")
            and set(artifact["target"]["kind"]) & {"lib", "rlib", "proc-macro"}
            and wanted(artifact)
        ):
            seen.add(artifact["package_id"])
            documents(report, artifact)
    status = int(report.bad)
    report.write("end", status=status)
    report.file.close()
    return status


def wanted(artifact: dict[str, Any]) -> bool:
    """Tell whether a package was asked for."""
    folder = Path(artifact["manifest_path"]).resolve().parent
    return not FOLDERS or any((TREE / name).resolve() == folder for name in FOLDERS)


sys.exit(main())
