"""Knows which plugins of pytest a configuration or a test asks for."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from miyabi_agents.toolchains.python.layout.pytest_options import PytestOptions
from miyabi_agents.toolchains.python.manifests.names import normal
from miyabi_agents.toolchains.python.manifests.requirement import name_of

#: Options of the command line, by pattern, and the plugin that knows them.
_OPTIONS = (
    (r"--(no-)?cov(?![\w])|--cov-[\w-]+", "pytest-cov"),
    (r"-n\s*=?\s*(\d+|auto|logical)|--numprocesses|--dist\b|--maxprocesses", "pytest-xdist"),
    (r"--timeout(?!\w)|--timeout[-_]\w+|--session-timeout", "pytest-timeout"),
    (r"--ds\b|--reuse-db|--create-db|--nomigrations|--no-migrations|--dc\b|--fail-on-template-vars", "pytest-django"),
    (r"--benchmark-[\w-]+", "pytest-benchmark"),
    (r"--asyncio-mode", "pytest-asyncio"),
    (r"--reruns|--only-rerun", "pytest-rerunfailures"),
    (r"--random-order|--random-order-bucket", "pytest-random-order"),
    (r"--randomly-\w+|-p\s*no:randomly", "pytest-randomly"),
    (r"--html\b|--self-contained-html", "pytest-html"),
    (r"--mypy\b|--mypy-(ini|config|ignore)[\w-]*", "pytest-mypy"),
    (r"--mypy-only-local-stub|--mypy-same-process", "pytest-mypy-plugins"),
    (r"--(black|isort|flake8|pylint|ruff|pydocstyle|pycodestyle|ruff-format)(?![\w-])", "pytest-{}"),
    (r"--doctest-(plus|rst|modules-plus|glob-plus)|--doctest-ufunc", "pytest-doctestplus"),
    (r"--doctest-(cython|docutils)\b", "pytest-cython"),
    (r"--remote-data|--open-files", "pytest-remotedata"),
    (r"--mpl\b|--mpl-[\w-]+", "pytest-mpl"),
    (r"--snapshot-(update|details|warn-unused|default-extension)", "syrupy"),
    (r"--inline-snapshot", "inline-snapshot"),
    (r"--(disable|allow)-socket|--allow-hosts|--allow-unix-socket", "pytest-socket"),
    (r"--(record-mode|block-network|disable-recording)", "pytest-recording"),
    (r"--vcr-record", "pytest-vcr"),
    (r"--nbval|--nbval-lax|--sanitize-with", "nbval"),
    (r"--nbmake", "nbmake"),
    (r"--typeguard-[\w-]+", "typeguard"),
    (r"--(splits|group|store-durations|durations-path)\b", "pytest-split"),
    (r"--forked|--boxed", "pytest-forked"),
    (r"--gherkin-[\w-]+|--generate-missing", "pytest-bdd"),
    (r"--hypothesis-[\w-]+", "hypothesis"),
    (r"--codspeed", "pytest-codspeed"),
    (r"--sugar|--old-summary|--force-sugar", "pytest-sugar"),
    (r"--pretty\b", "pytest-pretty"),
    (r"--instafail", "pytest-instafail"),
    (r"--picked|--testmon|--testmon-[\w-]+", "pytest-testmon"),
    (r"--memray|--most-allocations", "pytest-memray"),
    (r"--run-parallel|--parallel-threads|--iterations", "pytest-run-parallel"),
    (r"--order-(scope|dependencies|group-scope)|--sparse-ordering", "pytest-order"),
    (r"--no-flaky-report|--force-flaky|--max-runs|--min-passes", "flaky"),
    (r"--repeat-scope", "pytest-repeat"),
    (r"--markdown-docs", "pytest-markdown-docs"),
)  # fmt: skip
#: Keys of the configuration, and the plugin that knows them.
_KEYS = {
    "asyncio_mode": "pytest-asyncio",
    "asyncio_default_fixture_loop_scope": "pytest-asyncio",
    "asyncio_default_test_loop_scope": "pytest-asyncio",
    "timeout": "pytest-timeout",
    "timeout_method": "pytest-timeout",
    "timeout_func_only": "pytest-timeout",
    "session_timeout": "pytest-timeout",
    "DJANGO_SETTINGS_MODULE": "pytest-django",
    "django_find_project": "pytest-django",
    "django_debug_mode": "pytest-django",
    "env": "pytest-env",
    "env_files": "pytest-dotenv",
    "mock_use_standalone_module": "pytest-mock",
    "doctest_plus": "pytest-doctestplus",
    "doctest_rst": "pytest-doctestplus",
    "text_file_format": "pytest-doctestplus",
    "remote_data_strict": "pytest-remotedata",
    "trio_mode": "pytest-trio",
    "qt_api": "pytest-qt",
    "flake8-max-line-length": "pytest-flake8",
    "bdd_features_base_dir": "pytest-bdd",
    "mypy_plugins": "pytest-mypy-plugins",
    "reruns": "pytest-rerunfailures",
    "thread_unsafe_fixtures": "pytest-run-parallel",
    "order_scope": "pytest-order",
    "anyio_mode": "anyio",
}
#: Plugins that `-p NAME` asks for by another name than their distribution's.
_BY_MODULE = {
    "pytest_cov": "pytest-cov", "xdist": "pytest-xdist", "django": "pytest-django", "randomly": "pytest-randomly",
    "asyncio": "pytest-asyncio", "pytest_httpserver": "pytest-httpserver", "pytester": "", "pytest_mock": "pytest-mock",
    "anyio": "anyio", "hypothesispytest": "hypothesis", "xprocess": "pytest-xprocess", "trio": "pytest-trio",
    "pytest_asyncio": "pytest-asyncio", "timeout": "pytest-timeout", "celery": "celery", "aiohttp": "pytest-aiohttp",
}  # fmt: skip
#: Markers of tests, and the plugin that makes them work.
_MARKERS = {
    "asyncio": "pytest-asyncio",
    "django_db": "pytest-django",
    "trio": "pytest-trio",
    "timeout": "pytest-timeout",
    "vcr": "pytest-recording",
    "benchmark": "pytest-benchmark",
    "flaky": "pytest-rerunfailures",
    "freeze_time": "pytest-freezer",
    "order": "pytest-order",
    "dependency": "pytest-dependency",
    "enable_socket": "pytest-socket",
    "xdist_group": "pytest-xdist",
    "repeat": "pytest-repeat",
    "forked": "pytest-forked",
}
#: Fixtures that tests take, and the plugin that has them.
_FIXTURES = {
    "mocker": "pytest-mock",
    "benchmark": "pytest-benchmark",
    "httpbin": "pytest-httpbin",
    "httpserver": "pytest-httpserver",
    "requests_mock": "requests-mock",
    "respx_mock": "respx",
    "freezer": "pytest-freezer",
    "snapshot": "syrupy",
    "datadir": "pytest-datadir",
    "shared_datadir": "pytest-datadir",
    "data_regression": "pytest-regressions",
    "file_regression": "pytest-regressions",
    "num_regression": "pytest-regressions",
    "settings": "pytest-django",
    "django_user_model": "pytest-django",
    "django_assert_num_queries": "pytest-django",
    "aiohttp_client": "pytest-aiohttp",
    "cli_runner": "pytest-click",
    "subtests": "pytest-subtests",
    "qtbot": "pytest-qt",
    "lazy_fixture": "pytest-lazy-fixture",
    "fs": "pyfakefs",
    "aresponses": "aresponses",
    "script_runner": "pytest-console-scripts",
    "virtualenv": "pytest-virtualenv",
    "faker": "Faker",
    "postgresql": "pytest-postgresql",
    "celery_app": "pytest-celery",
}
#: A function's arguments, and a marker.
_ARGUMENTS = re.compile(r"^[ \t]*(?:async )?def (?:test\w*)\(([^()]{0,500})", re.MULTILINE)
_MARKER = re.compile(r"pytest\.mark\.(\w+)")
_DEFINED = re.compile(r"^[ \t]*(?:async )?def (\w+)\(", re.MULTILINE)


def configured(options: PytestOptions) -> Sequence[str]:
    """Return the distributions of plugins that a configuration asks for, sorted."""
    found: set[str] = set()
    line = options.addopts[:5_000]
    for pattern, distribution in _OPTIONS:
        match = re.search(rf"(?:^|\s)({pattern})", line)
        if match and "-p no:" not in match[1]:
            found.add(distribution.format(match[1].lstrip("-")))
    for name in re.findall(r"(?:^|\s)-p[\s=]*(?!no:)([\w.]+)", line):
        plain = name.partition(".")[0]
        found.add(_BY_MODULE.get(plain, normal(plain) if plain.startswith("pytest_") else ""))
    found.update(distribution for key, distribution in _KEYS.items() if key in options.values)
    for text in options.listed("required_plugins"):
        found.add(name_of(text))
    return sorted(found - {""})


def used(texts: Iterable[str]) -> Sequence[str]:
    """Return the distributions of plugins whose fixtures or markers tests use and do not define, sorted."""
    wanted: set[str] = set()
    markers: set[str] = set()
    defined: set[str] = set()
    for text in texts:
        defined.update(_DEFINED.findall(text))
        markers.update(_MARKER.findall(text))
        for arguments in _ARGUMENTS.findall(text):
            wanted.update(re.findall(r"\w+", arguments))
    found = {_FIXTURES[name] for name in wanted - defined if name in _FIXTURES}
    found.update(_MARKERS[name] for name in markers if name in _MARKERS)
    return sorted(found - {""})
