"""Tells options of test runners from files, and leaves out those that watch, report, measure or stop early."""

from __future__ import annotations

from collections.abc import Sequence

#: Programs that are test runners, with the name of the runner.
RUNNERS = {
    "vitest": "vitest", "jest": "jest", "jest-cli": "jest", "mocha": "mocha", "_mocha": "mocha", "ava": "ava",
    "tape": "tape",     "jasmine": "jasmine", "jasmine-ts": "jasmine",
}  # fmt: skip

#: Options that take the next word, by runner.
_VALUES = {
    "vitest": {"-c", "--config", "-r", "--root", "--dir", "--project", "--environment", "--pool", "--mode", "-t",
               "--testNamePattern", "--testTimeout", "--hookTimeout", "--maxWorkers", "--exclude", "--workspace"},
    "jest": {"-c", "--config", "--env", "--testEnvironment", "--rootDir", "--roots", "--selectProjects", "--projects",
             "--testTimeout", "-w", "--maxWorkers", "--setupFilesAfterEnv", "--testRunner", "--testPathPattern",
             "--testPathPatterns", "--testPathIgnorePatterns", "--testMatch", "-t", "--testNamePattern",
             "--modulePathIgnorePatterns"},
    "mocha": {"-r", "--require", "-t", "--timeout", "-u", "--ui", "--extension", "--config", "--file", "--spec", "-g",
              "--grep", "-f", "--fgrep", "--ignore", "--exclude", "-s", "--slow", "--retries", "--loader", "--import",
              "-n", "--node-option", "--opts", "--package", "-j", "--jobs", "--global", "--globals", "--compilers"},
    "ava": {"--config", "-T", "--timeout", "-c", "--concurrency", "-m", "--match", "--node-arguments"},
    "tape": {"-r", "--require", "-i", "--ignore", "--import"},
    "jasmine": {"--config", "--helper", "--require", "--filter", "--seed"},
}  # fmt: skip

#: Options that are left out, with those whose next word goes with them: reports and gates are ours to say, and a run
#: that stops early, watches or writes snapshots shows less than it seems to.
_REFUSED = {
    "--reporter", "-R", "--reporters", "--reporter-option", "--reporter-options", "-O", "--outputFile", "--watch", "-w",
    "--watchAll", "--watch-files", "--ui", "--coverage", "--collectCoverage", "--collectCoverageFrom", "--bail", "-b",
    "--ci",
    "--json", "--verbose", "-v", "--color", "--colors", "-c", "--no-color", "--silent", "--update", "-u",
    "--updateSnapshot",
    "--tap", "-t", "--fail-fast", "--passWithNoTests", "--coverageReporters", "--coverageThreshold",
    "--findRelatedTests",
    "--onlyChanged", "-o", "--changedSince", "--changed", "--update-snapshots", "--only", "--logHeapUsage", "--notify",
    "run", "related", "dev", "watch", "--run", "--inspect", "--inspect-brk", "--test-reporter", "--cache", "--no-cache",
}  # fmt: skip
#: Refused options that take the next word.
_REFUSED_VALUES = {
    "--reporter", "-R", "--reporters", "--reporter-option", "--reporter-options", "-O", "--outputFile",
    "--collectCoverageFrom", "--coverageReporters", "--watch-files", "--changedSince",
}  # fmt: skip
#: Options that mean something else elsewhere, by runner: these are kept there.
_KEPT = {
    "vitest": {"-c", "-t"}, "jest": {"-c", "-t", "-w"}, "mocha": {"-t", "-u", "--ui", "-c"}, "ava": {"-c", "--verbose"},
    "tape": {"-c"}, "jasmine": set(),
}  # fmt: skip


def split_options(runner: str, words: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the options and the files of a runner's command line, without what is ours to say."""
    options: list[str] = []
    targets: list[str] = []
    rest = list(words)[:200]
    refused = _REFUSED - _KEPT[runner]
    while rest:
        word = rest.pop(0)
        name = word.split("=", 1)[0]
        takes = "=" not in word and bool(rest)
        if name in refused or name.startswith("--coverage"):
            if takes and name in _REFUSED_VALUES and not rest[0].startswith("-"):
                rest.pop(0)
        elif word == "--":
            continue
        elif not word.startswith("-"):
            targets.append(word)
        else:
            options.append(word)
            if takes and name in _VALUES[runner]:
                options.append(rest.pop(0))
    if runner == "mocha" and "-c" in options:
        options.remove("-c")
    return options, targets
