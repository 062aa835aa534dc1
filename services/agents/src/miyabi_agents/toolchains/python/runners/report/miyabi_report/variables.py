"""Names of the environment variables that a run of tests is told by."""

from __future__ import annotations

#: Folder for reports, given by the sandbox.
FOLDER = "MIYABI_REPORT"
#: Key that each line of a report is authenticated with; taken out of the environment by the first runner that reads it.
KEY = "MIYABI_REPORT_KEY"
#: Root of the checkout.
TREE = "MIYABI_TREE"
#: Folder of the environment that the tests run in.
ENVIRONMENT = "MIYABI_ENVIRONMENT"
#: Seconds for one test; a test that needs more has failed.
SECONDS = "MIYABI_TEST_SECONDS"
#: Packages of the project, by their top-level names with commas: they must be imported from the checkout.
PACKAGES = "MIYABI_PACKAGES"
#: Names that base itself has at its import roots though the runner or the standard library has them too.
OWN_NAMES = "MIYABI_OWN_NAMES"
#: Set where the whole suite runs: only then a gate of coverage means anything.
WHOLE = "MIYABI_WHOLE_SUITE"
#: Set where the command is ours: targets that are not there are left out instead of ending the run.
OURS = "MIYABI_OWN_COMMAND"
#: Variables by which pytest is told to load the plugin; taken away again so that pytest below pytest is left alone.
PYTEST = {"PYTEST_ADDOPTS": "-p miyabi_report.plugin", "PYTEST_PLUGINS": "miyabi_report.plugin"}
#: A private folder of the run.
SCRATCH = "MIYABI_SCRATCH"
#: Files of which executed lines are noted, one a line, relative to the checkout; set in a run that is measured only.
MEASURED = "MIYABI_MEASURED"
