"""Finds the test runner in a package's scripts: which one, with which options, and what is built before it."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from miyabi_agents.toolchains.javascript.manifest import Manifest
from miyabi_agents.toolchains.javascript.options import RUNNERS, split_options

#: How deep scripts that call scripts are followed.
MAX_DEPTH = 6
#: Scripts that are looked at for tests, in this order; others whose names begin with `test` come after them.
_SCRIPTS = ("test", "tests-only", "test:unit", "test-unit", "unit", "test:node", "test:run", "test:only", "test:ci")
#: Commands that only run another one.
_WRAPPERS = {"npx", "nyc", "c8", "cross-env", "cross-env-shell", "env", "dotenv", "exec", "time", "borp", "xvfb-run"}
#: Package managers, which run scripts and programs.
_MANAGERS = {"npm", "pnpm", "yarn", "yarnpkg"}
#: Words that stand between a package manager and the script's name.
_RUN = {"run", "run-script", "exec", "--silent", "-s", "--", "dlx"}
#: Commands that run several scripts.
_MANY = {"npm-run-all", "npm-run-all2", "run-s", "run-p", "concurrently"}
#: Options of node that take the next word.
_NODE_VALUES = {"-r", "--require", "--import", "--loader", "--experimental-loader", "-C", "--conditions", "--env-file"}
#: Names of scripts that build.
_BUILDS = re.compile(
    r"(?:^|[:-])(build|compile|transpile|prebuild|tsc|generate|codegen|bundle)(?:$|[:-])|^(build|compile)"
)
_SEPARATOR = re.compile(r"\s*(?:&&|\|\||;|\||&)\s*")
_ASSIGNMENT = re.compile(r"^([A-Za-z_][A-Za-z0-9_]{0,99})=(.*)$", re.DOTALL)


@dataclass(frozen=True)
class Command:
    """How a script runs a test runner."""

    runner: str
    script: str = ""  #: the script's name; empty where it was found otherwise
    node: Sequence[str] = ()  #: options of node
    options: Sequence[str] = ()  #: options of the runner, without reporters, coverage and watching
    targets: Sequence[str] = ()  #: files, folders and globs
    environment: Mapping[str, str] | None = None
    #: Scripts that were run before it in the same script and that build something.
    builds: Sequence[str] = ()


def find(manifest: Manifest) -> Command | None:
    """Return the test runner of a package, by its scripts; None where they run none that is known."""
    others = sorted(name for name in manifest.scripts if name.startswith("test") and "watch" not in name)
    for name in dict.fromkeys((*_SCRIPTS, *others)):
        if name not in manifest.scripts:
            continue
        builds: list[str] = _builds(manifest, f"pre{name}")
        for words in _commands(manifest, name, MAX_DEPTH):
            if words[0] == "script:":
                builds += [words[1]] if _BUILDS.search(words[1]) else []
                continue
            found = command(words, script=name)
            if found is not None:
                return Command(**{**vars(found), "builds": tuple(dict.fromkeys(builds))})
    return None


def _builds(manifest: Manifest, name: str) -> list[str]:
    """Return the scripts that build something and that a script runs; itself, where it calls a compiler."""
    if name not in manifest.scripts:
        return []
    found = [
        words[1] for words in _commands(manifest, name, MAX_DEPTH) if words[0] == "script:" and _BUILDS.search(words[1])
    ]
    compilers = {"tsc", "babel", "rollup", "tsup", "webpack", "esbuild", "swc"}
    if not found and any(set(words[:2]) & compilers for words in _commands(manifest, name, MAX_DEPTH)):
        return [name]
    return found


def _commands(manifest: Manifest, name: str, depth: int) -> Iterator[list[str]]:
    """Go through the commands of a script; one that runs a script comes as `script:` with its name, then that."""
    for part in _SEPARATOR.split(manifest.scripts.get(name, "")[:2000])[:30]:
        words = _words(part)
        called = _called(words, manifest)
        for script in called:
            yield ["script:", script]
            if depth:
                yield from _commands(manifest, script, depth - 1)
        if words and not called:
            yield words


def _words(part: str) -> list[str]:
    """Split a command as a shell does; none where its quotes do not match."""
    try:
        return shlex.split(part.strip("() "))
    except ValueError:
        return []


def _called(words: Sequence[str], manifest: Manifest) -> list[str]:
    """Return the scripts of the same package that a command runs."""
    words = [word for word in words if not _ASSIGNMENT.match(word)]
    if words and words[0] in _MANY:
        return [name for word in words[1:] for name in _named(word, manifest)]
    if not words or words[0] not in _MANAGERS:
        return []
    rest = [word for word in words[1:] if word not in _RUN]
    name = {"t": "test", "tst": "test"}.get(rest[0], rest[0]) if rest else ""
    return [name] if name in manifest.scripts and "exec" not in words[:2] else []


def _named(word: str, manifest: Manifest) -> list[str]:
    """Return the scripts that a word of `run-s` means: `test:*` is several."""
    word = word.removeprefix("npm:").split(" ")[0]
    if word.endswith("*"):
        return sorted(name for name in manifest.scripts if name.startswith(word.rstrip("*")))
    return [word] if word in manifest.scripts else []


def command(words: Sequence[str], *, script: str = "") -> Command | None:
    """Return how a command runs a test runner; None where it runs none that is known."""
    environment: dict[str, str] = {}
    rest, node = list(words), list[str]()
    while rest:
        assignment = _ASSIGNMENT.match(rest[0])
        name = rest[0].rsplit("/", 1)[-1].removesuffix(".js").removesuffix(".mjs")
        if assignment:
            environment[assignment[1]] = assignment[2]
        elif name == "node":
            rest, node = _node_options(rest[1:])
            if "--test" in node or any(word.startswith("--test=") for word in node):
                return _own_runner(script, node, rest, environment)
            continue
        elif name in RUNNERS:
            options, targets = split_options(RUNNERS[name], rest[1:])
            return Command(RUNNERS[name], script, tuple(node), tuple(options), tuple(targets), environment)
        elif rest[0] not in _WRAPPERS | _MANAGERS and rest[0] not in _RUN and not rest[0].startswith("-"):
            return None
        rest = rest[1:]
    return None


def _node_options(words: list[str]) -> tuple[list[str], list[str]]:
    """Split what follows `node` into the rest and its own options."""
    options: list[str] = []
    while words and words[0].startswith("-"):
        options.append(words[0])
        if words[0] in _NODE_VALUES and len(words) > 1:
            options.append(words[1])
            words = words[1:]
        words = words[1:]
    return words, options


def _own_runner(script: str, node: Sequence[str], rest: Sequence[str], environment: Mapping[str, str]) -> Command:
    """Return how node's own runner is started; reporters, watching and coverage are ours to say."""
    refused = ("--test-reporter", "--watch", "--experimental-test-coverage", "--test-coverage", "--test-only")
    kept = [word for word in node if word != "--test" and not word.startswith(refused)]
    options = [word for word in rest if word.startswith("--test-") and not word.startswith(refused)]
    targets = [word for word in rest if not word.startswith("-")]
    return Command("node", script, tuple(kept), tuple(options), tuple(targets), environment)
