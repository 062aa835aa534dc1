"""Generates the stubs from the protos, and checks style, compatibility and drift.

`buf/validate/validate.proto` is not a file here: its descriptor comes from the stub that is checked in
(protovalidate 1.2.2, Apache-2.0, NOTICE), so that neither generating nor checking needs a network.
"""

from __future__ import annotations

import argparse
import filecmp
import shutil
import subprocess
import sys
from pathlib import Path

from buf.validate import validate_pb2
from google.protobuf import descriptor_pb2, duration_pb2, timestamp_pb2
from google.protobuf.descriptor import FileDescriptor

ROOT = Path(__file__).resolve().parent.parent
PROTO = ROOT / "proto"
STUBS = ROOT / "libs/miyabi-proto/src"
BUILD = ROOT / "build/proto"
#: The interfaces as of the newest release: what `buf breaking` compares with.
RELEASED = PROTO / "released.binpb"


def protoc(*arguments: str | Path) -> None:
    """Run the protoc of grpcio-tools; plugins are found beside the interpreter."""
    environment = {"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin"}
    includes = Path(sys.executable).parent.parent.glob("lib/python*/site-packages/grpc_tools/_proto")
    command = [sys.executable, "-m", "grpc_tools.protoc", f"--descriptor_set_in={_validate_set()}", f"-I{PROTO}"]
    command += [f"-I{include}" for include in includes]
    subprocess.run([*command, *map(str, arguments), *_sources()], check=True, cwd=PROTO, env=environment)


def _sources() -> list[str]:
    """Return our protos, relative to their root."""
    return sorted(str(path.relative_to(PROTO)) for path in PROTO.rglob("*.proto"))


def _validate_set() -> Path:
    """Write the descriptors of validate.proto and of what it imports, as a file for protoc."""
    found: dict[str, descriptor_pb2.FileDescriptorProto] = {}

    def add(file: FileDescriptor) -> None:
        for dependency in file.dependencies:
            add(dependency)
        copy = descriptor_pb2.FileDescriptorProto()
        file.CopyToProto(copy)
        found.setdefault(file.name, copy)

    for file in (duration_pb2.DESCRIPTOR, timestamp_pb2.DESCRIPTOR, validate_pb2.DESCRIPTOR):
        add(file)
    BUILD.mkdir(parents=True, exist_ok=True)
    target = BUILD / "validate.binpb"
    target.write_bytes(descriptor_pb2.FileDescriptorSet(file=found.values()).SerializeToString(deterministic=True))
    return target


def generate(target: Path) -> None:
    """Generate every stub of ours into a clean *target*/miyabi."""
    shutil.rmtree(target / "miyabi", ignore_errors=True)
    target.mkdir(parents=True, exist_ok=True)
    kinds = ("python", "grpc_python", "mypy", "mypy_grpc")
    protoc(*(f"--{kind}_out={'quiet:' if kind.startswith('mypy') else ''}{target}" for kind in kinds))
    (target / "miyabi/py.typed").touch()


def image(target: Path) -> Path:
    """Write the interfaces with comments and imports as one image."""
    protoc("--include_imports", "--include_source_info", f"--descriptor_set_out={target}")
    return target


def check() -> int:
    """Return 0 when style, compatibility and stubs are right; say what is not."""
    current = image(BUILD / "current.binpb")
    buf = Path(sys.executable).parent / "buf"
    lint = subprocess.run([buf, "lint", current, "--config", ROOT / "buf.yaml"], check=False, cwd=ROOT)
    breaking = subprocess.run(
        [buf, "breaking", current, "--against", RELEASED, "--config", ROOT / "buf.yaml"], check=False, cwd=ROOT
    )
    generate(BUILD / "stubs")
    drift = _drift(BUILD / "stubs/miyabi", STUBS / "miyabi")
    for path in drift:
        print(f"proto-check: {path} differs from what `make proto` generates", file=sys.stderr)
    return int(bool(lint.returncode or breaking.returncode or drift))


def _drift(fresh: Path, checked_in: Path) -> list[str]:
    """Return the stubs that differ, are missing or are left over."""
    names = {str(path.relative_to(root)) for root in (fresh, checked_in) for path in root.rglob("*_pb2*.py*")}
    names = {name for name in names if "__pycache__" not in name}
    return sorted(name for name in names if not _same(fresh / name, checked_in / name))


def _same(one: Path, other: Path) -> bool:
    """Compare two files by content."""
    return one.exists() and other.exists() and filecmp.cmp(one, other, shallow=False)


def main() -> int:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("action", choices=["generate", "check", "release"])
    action = parser.parse_args().action
    if action == "generate":
        generate(STUBS)
    elif action == "release":
        image(RELEASED)
    else:
        return check()
    return 0


if __name__ == "__main__":
    sys.exit(main())
