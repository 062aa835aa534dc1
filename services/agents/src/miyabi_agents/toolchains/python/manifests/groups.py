"""Reads what `pyproject.toml` asks for: dependencies, extras, dependency groups (PEP 735) and Poetry's groups."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from miyabi_agents.toolchains.python.manifests.names import DEV_NAMES, NAME_OF_PACKAGE, TEST_NAMES, TEST_TOOLS, normal
from miyabi_agents.toolchains.python.manifests.poetry import folders
from miyabi_agents.toolchains.python.manifests.poetry import requirements as poetry_requirements
from miyabi_agents.toolchains.python.manifests.requirement import Gathered, name_of, parse, take
from miyabi_agents.toolchains.python.manifests.tree import Table, strings, table, text_of

#: How many groups or extras one may bring in; each counts once.
MAX_INCLUDES = 20
#: Requirements of one group with all that it includes.
MAX_REQUIREMENTS = 2_000


class Pyproject:
    """One `pyproject.toml`.

    Args:
        content: Its table; data of strangers.
        path: Of the file, for messages.
    """

    def __init__(self, content: Table, *, path: str) -> None:
        self.content = content
        self.path = path
        self.project = table(content.get("project"))
        self.tool = table(content.get("tool"))
        self.poetry = table(self.tool.get("poetry"))

    @property
    def name(self) -> str:
        """The distribution's name, as PEP 503 writes it; empty where it is not said here."""
        return normal(text_of(self.project.get("name")) or text_of(self.poetry.get("name")))

    @property
    def requires_python(self) -> str:
        """Versions of Python, as PEP 440 writes them; empty where it is not said here."""
        return text_of(self.project.get("requires-python"))

    @property
    def installable(self) -> bool:
        """A build backend makes a distribution of it."""
        if table(self.tool.get("uv")).get("package") is False or self.poetry.get("package-mode") is False:
            return False
        return bool(self.project or self.poetry or self.content.get("build-system"))

    @property
    def dynamic(self) -> frozenset[str]:
        """Fields of the metadata that only the build backend knows."""
        if not self.project and not self.poetry:
            return frozenset({"version", "dependencies", "optional-dependencies"})
        return frozenset(strings(self.project.get("dynamic")))

    @property
    def dependencies(self) -> Sequence[str]:
        """What the project itself needs, as far as it is said here."""
        if "dependencies" in self.project:
            return strings(self.project.get("dependencies"))
        return poetry_requirements(table(self.poetry.get("dependencies")))

    @property
    def extras(self) -> Mapping[str, Sequence[str]]:
        """Extras with their requirements, by normal name."""
        own = table(self.project.get("optional-dependencies"))
        if own or not self.poetry:
            return {normal(name): strings(value) for name, value in own.items()}
        optional = table(self.poetry.get("dependencies"))
        return {
            normal(name): poetry_requirements({key: optional[key] for key in strings(members) if key in optional})
            for name, members in table(self.poetry.get("extras")).items()
        }

    @property
    def groups(self) -> Mapping[str, Sequence[object]]:
        """Dependency groups, PEP 735's, Poetry's and PDM's, by normal name."""
        found: dict[str, Sequence[object]] = {}
        for name, value in table(self.poetry.get("group")).items():
            found[normal(name)] = poetry_requirements(table(table(value).get("dependencies")))
        if "dev-dependencies" in self.poetry:
            found["dev"] = poetry_requirements(table(self.poetry.get("dev-dependencies")))
        uv_dev = strings(table(self.tool.get("uv")).get("dev-dependencies"))
        if uv_dev:
            found["dev"] = uv_dev
        for name, value in table(table(self.tool.get("pdm")).get("dev-dependencies")).items():
            found[normal(name)] = strings(value)
        for name, value in table(self.content.get("dependency-groups")).items():
            found[normal(name)] = value if isinstance(value, list) else ()
        return {name: value for name, value in found.items() if NAME_OF_PACKAGE.fullmatch(name)}

    @property
    def folders(self) -> Sequence[str]:
        """Other folders of the repository that it is built with, relative to its own."""
        groups = [table(table(value).get("dependencies")) for value in table(self.poetry.get("group")).values()]
        found = [path for part in (table(self.poetry.get("dependencies")), *groups) for path in folders(part)]
        for value in table(table(self.tool.get("uv")).get("sources")).values():
            path = text_of(table(value).get("path"))
            if path:
                found.append(path)
        return found

    def group(self, name: str) -> Sequence[str]:
        """Return the requirements of a group with all that it includes."""
        return self._group(normal(name), set(), [])

    def _group(self, name: str, seen: set[str], into: list[str]) -> list[str]:
        if name in seen or len(seen) > MAX_INCLUDES:
            return into
        seen.add(name)
        for entry in self.groups.get(name, ()):
            if len(into) > MAX_REQUIREMENTS:
                break
            if isinstance(entry, dict):
                self._group(normal(text_of(entry.get("include-group"))), seen, into)
            elif isinstance(entry, str) and entry not in into:
                into.append(entry)
        return into

    def expanded(self, texts: Iterable[str], *, seen: set[str] | None = None) -> list[str]:
        """Return requirements in which the project's own extras (`name[test]`) are replaced by what they hold, once."""
        found: list[str] = []
        known = set() if seen is None else seen
        for text in texts:
            parsed = parse(text)
            if parsed is None or not self.name or normal(parsed.name) != self.name:
                found.append(text)
                continue
            for extra in sorted(map(normal, parsed.extras)):
                if extra not in known and len(known) < MAX_INCLUDES:
                    known.add(extra)
                    found.extend(self.expanded(self.extras.get(extra, ()), seen=known))
        return found


def usual(pyproject: Pyproject) -> tuple[list[str], list[str]]:
    """Return the names of extras and of groups that tests need, by the usual names.

    Those for tests come first; those for development are added where no test tool is among the former.
    """
    extras = [name for name in pyproject.extras if name in TEST_NAMES]
    groups = [name for name in pyproject.groups if name in TEST_NAMES]
    named = [*(text for name in extras for text in pyproject.expanded(pyproject.extras[name])),
             *(text for name in groups for text in pyproject.expanded(pyproject.group(name)))]  # fmt: skip
    if not any(TEST_TOOLS.match(name_of(text)) for text in named):
        extras += [name for name in pyproject.extras if name in DEV_NAMES]
        groups += [name for name in pyproject.groups if name in DEV_NAMES]
    return extras, groups


def gather(pyproject: Pyproject, *, extras: Sequence[str], groups: Sequence[str]) -> Gathered:
    """Return what extras and groups ask for.

    Raises:
        EnvironmentBuildError: never for these: what no index can give is left out and noted.
    """
    gathered = Gathered()
    if extras:
        gathered.origins.append(f"{pyproject.path}, {_plural('extra', extras)}")
    if groups:
        gathered.origins.append(f"{pyproject.path}, {_plural('group', groups)}")
    for name in extras:
        where = f'{pyproject.path}, extra "{name}"'
        take(pyproject.expanded(pyproject.extras.get(normal(name), ())), gathered, where=where, needed=False)
    for name in groups:
        where = f'{pyproject.path}, group "{name}"'
        take(pyproject.expanded(pyproject.group(name)), gathered, where=where, needed=False)
    return gathered


def _plural(word: str, names: Sequence[str]) -> str:
    return f"{word}{'s' if len(names) > 1 else ''} " + ", ".join(f'"{name}"' for name in names)
