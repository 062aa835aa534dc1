"""The gate before a pull request: runs the tests of one project on base and on the change, and judges them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import cached_property

from miyabi.coordinator.v1.result_pb2 import ChangeSet, EnvironmentReport, ExpectationForms, TestRunReport
from miyabi_agents.ports import TaskContext
from miyabi_agents.toolchains.port import Environment, Selection
from miyabi_agents.toolchains.registry import suffixes_of
from miyabi_agents.verification.changes import Sorted, only, without
from miyabi_agents.verification.data import edited_data
from miyabi_agents.verification.execution import Execution, Ran
from miyabi_agents.verification.ground import Footing, Repository
from miyabi_agents.verification.judge import (
    FAILED,
    PASSED,
    ChangedTests,
    Runs,
    Verdict,
    approval_reasons,
    judge,
    why_not,
)
from miyabi_agents.verification.own_environment import environment_of
from miyabi_agents.verification.remedies import GATE
from miyabi_core.proto_time import to_duration
from miyabi_core.text import enumerated, first, listed, shortened

#: How often what looks broken is run again alone.
AGAIN = 2
#: ChangedTests that are run again; where more look broken, chance is no explanation.
MAX_AGAIN = 20
#: Edited files of that kind that are named.
MAX_HARNESS = 20
#: Sentences on an environment, and their longest (result.proto).
MAX_NOTES, MAX_NOTE = 100, 1000
#: Existing tests that are shown in both forms.
MAX_EXPECTATIONS = 50


@dataclass
class Gated:
    """What the gate found for one project."""

    verdict: Verdict
    runs: Runs
    reports: list[TestRunReport] = field(default_factory=list)
    environments: list[EnvironmentReport] = field(default_factory=list)
    expectations: list[ExpectationForms] = field(default_factory=list)
    approvals: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    ran: Ran | None = None  #: the run of the change
    runtime: str = ""
    environment: Environment | None = None  #: what it ran in
    targets: Sequence[str] | None = None  #: what it ran; None: the whole suite
    change: ChangeSet | None = None  #: what it ran on


@dataclass(frozen=True)
class Gate:
    """Judges one project.

    Args:
        context: The task's.
        repository: What base's files say.
        footing: The project, its environment, base's own tests.
        change: The whole change.
        sorted: Its files that belong to the project, by what they are.
        selection: Which tests are run.
        held: Keeps environments from being removed.
    """

    context: TaskContext
    repository: Repository
    footing: Footing
    change: ChangeSet
    sorted: Sorted
    selection: Selection
    held: AsyncExitStack

    async def judge(self) -> Gated:
        """Run the tests and judge them.

        Edits of the harness are left out at first: where the change is proved without them they decided nothing. Where
        it is not, they are laid over base and change alike. Either way a person has to approve.

        Raises:
            EnvironmentBuildError: the change's own environment cannot be built.
            SandboxError: the sandbox cannot be used.
            WorkspaceError: a checkout cannot be made.
        """
        # It may read thousands of files of base; from here on it is known.
        await asyncio.to_thread(lambda: self._data)
        gated = await self._judge(self.change, harness=())
        harness = sorted(self.sorted.harness)
        if not harness:
            return gated
        if not why_not(gated.verdict, gated.runs):
            gated.notes.append(f"edits of how tests are run were left out of the verdict: {_names(harness)}")
            what = "the change edits what decides how tests are run, though the verdict does not rest on it"
        else:
            gated = await self._judge(self.change, harness=harness)
            what = "the verdict rests on an edit of what decides how tests are run"
        gated.approvals += listed([f"{what}: {path}" for path in harness], MAX_HARNESS, longest=MAX_NOTE)
        return gated

    async def _judge(self, change: ChangeSet, *, harness: Sequence[str]) -> Gated:
        """Run with or without the edits of the harness."""
        left_out = set(self.sorted.harness) - set(harness)
        change = without(change, left_out)
        environment = await environment_of(
            self.context, self.repository, self.footing, self.change, self.sorted, held=self.held
        )
        runs, reports, ran = await self._run(change, environment, harness)
        tests = self._tests(every_old=bool(harness))
        verdict = judge(runs, tests)
        flaky, again = await self._run_again(verdict, change, environment)
        if self._data:
            flaky |= await self._doubtful(verdict, harness, again)
        if flaky:
            verdict = judge(runs, replace(tests, flaky=frozenset(flaky)))
        verdict.gate = self._unmet(runs)
        gated = Gated(verdict, runs, [*reports, *again], ran=ran)
        gated.environments = [self._environment_report(environment)]
        gated.expectations, unseen = self._expectations(verdict)
        gated.approvals = approval_reasons(verdict, harness={})
        gated.notes = self._notes(runs)
        gated.notes += [f"{unseen} more edited expectations are not shown in both forms"] if unseen else []
        gated.runtime = environment.recipe.runtime
        gated.environment, gated.targets, gated.change = environment, self._every_target(), change
        return gated

    async def _run(
        self, change: ChangeSet, environment: Environment, harness: Sequence[str]
    ) -> tuple[Runs, list[TestRunReport], Ran]:
        """Make the runs that a verdict compares."""
        own, every, laid = self._own_targets(), self._every_target(), self._laid(harness)
        base = self.footing.base
        await self.context.progress.step("running the new tests on base")
        base_new = await self._in_checkout("base with new tests", [laid], own, self.footing.environment)
        await self.context.progress.step("running tests on the change")
        changed = await self._in_checkout("change", [change], every, environment)
        edited = self._edited()
        old: Ran | None = None
        if edited or harness:
            await self.context.progress.step("running base's own tests on the change")
            # With an edited harness, only base's own says what base's tests show on the change.
            old_targets = every if harness else self._targets_of(edited)
            code = self._with_old_tests(change)
            old = await self._in_checkout("change with old tests", [code], old_targets, environment)
        runs = Runs(base.verdicts, base_new.verdicts, changed.verdicts, old.verdicts if old else None)
        reports = [ran.report for ran in (base, base_new, changed, old) if ran is not None]
        return runs, reports, changed

    def _on_base(self, target: str) -> bool:
        """Tell whether a target is there on base."""
        file = self.sorted.tests.get(target)
        return file is None or self.repository.base.read(target) is not None

    @cached_property
    def _data(self) -> Sequence[str]:
        """Files of test data that the change edits, where it edits no test; a verdict may rest on them."""
        tests = [*self.selection.own, *self._near()]
        return edited_data(self.sorted, self.repository.base, tests, suffixes_of(self.footing.part.toolchain))

    def _own_targets(self) -> list[str]:
        """Return the targets that the change's own tests belong to, those that it deletes left out.

        Where it edits what tests read, and none of them, all that are near may be its own; the whole suite, if short.
        """
        if self._data:
            every = self._collected() if self.footing.whole else ()
            return sorted(target for target in {*self.selection.own, *self._near(), *every} if self._on_base(target))
        return sorted(target for target in self.selection.own if not self._deleted(target))

    def _every_target(self) -> list[str] | None:
        """Return what is run on the change: everything, or its own tests and their neighbourhood."""
        if self.footing.whole and set(self.selection.own) <= self._collected():
            return None
        return sorted({*self._own_targets(), *self._near(), *(self._collected() if self.footing.whole else ())})

    def _near(self) -> list[str]:
        """Return the neighbourhood, as much of it as there was time for on base."""
        ran = self.footing.targets
        return [target for target in self.selection.near if ran is None or target in ran]

    def _collected(self) -> set[str]:
        """Return the targets that the whole suite of base holds, and those that lie beside them."""
        file_of = self.footing.part.toolchain.file_of
        found = {file_of(test) for test in self.footing.base.verdicts.verdicts}
        folders = {target.rpartition("/")[0] for target in found}
        return found | {target for target in self.selection.own if target.rpartition("/")[0] in folders}

    def _deleted(self, target: str) -> bool:
        """Tell whether the change deletes a target."""
        file = self.sorted.tests.get(target)
        return file is not None and file.deleted

    def _edited(self) -> list[str]:
        """Return the test files that are there on base and that the change edits or deletes."""
        beside = self.sorted.beside_code
        return sorted(path for path in beside if self.repository.base.read(path) is not None)

    def _targets_of(self, edited: Sequence[str]) -> list[str]:
        """Return the targets whose old form is run: the edited ones; where support was edited, all that may use it."""
        tests = [path for path in edited if path in self.sorted.tests]
        targets = [target for target in self.selection.own if target in tests or target not in self.sorted.tests]
        if self._data:
            targets = self._own_targets()
        elif len(tests) < len(edited):
            targets = [target for target in {*self.selection.own, *self._near()} if self._on_base(target)]
        return sorted(set(targets) | set(tests)) if self._by_path() else sorted(set(targets))

    def _by_path(self) -> bool:
        """Tell whether the toolchain names its targets by the paths of test files."""
        return any(target in self.sorted.tests for target in self.selection.own)

    async def _in_checkout(
        self, name: str, changes: Sequence[ChangeSet], targets: Sequence[str] | None, environment: Environment
    ) -> Ran:
        """Run tests in a checkout of their own."""
        inputs = self.context.lease.inputs
        label = f"{name.replace(' ', '-')}-{inputs.issue_number}"
        async with self.context.workspaces.open(repository=inputs.repository, sha=inputs.base_sha, label=label) as tree:
            for change in changes:
                await tree.apply(change)
            execution = Execution(self.context, self.footing.part, environment)
            return await execution.run(tree, targets, name=name, may_not_build=name == "base with new tests")

    def _tests(self, *, every_old: bool) -> ChangedTests:
        """Return what the judge has to know of the change's tests."""
        toolchain = self.footing.part.toolchain
        edited = frozenset(self._edited())
        targets = frozenset(self._targets_of(sorted(edited)))
        declared = frozenset(entry.test for entry in self.change.changed_expectations)
        return ChangedTests(
            self.sorted.own,
            edited | targets,
            toolchain.group_of,
            toolchain.file_of,
            declared,
            by_data=bool(self._data),
            every_old=every_old,
        )

    def _laid(self, harness: Sequence[str]) -> ChangeSet:
        """Return what is laid over base, so that the new tests can fail there."""
        laid = only(self.change, [*self.sorted.tests, *self.sorted.support, *harness])
        laid.files.extend(self.sorted.grafted.values())
        return laid

    async def _doubtful(self, verdict: Verdict, harness: Sequence[str], reports: list[TestRunReport]) -> set[str]:
        """Run on base, with the change's data, what rests on data alone; what passes there proves nothing."""
        proofs = {case.test for case in verdict.cases if case.proof}
        targets = sorted({self.footing.part.toolchain.file_of(test) for test in proofs})
        laid = self._laid(harness)
        passing: set[str] = set()
        for _ in range(AGAIN if proofs else 0):
            ran = await self._in_checkout("base with new tests", [laid], targets, self.footing.environment)
            reports.append(ran.report)
            passing |= {test for test in proofs if ran.verdicts.verdicts.get(test) != FAILED}
        return passing

    async def _run_again(
        self, verdict: Verdict, change: ChangeSet, environment: Environment
    ) -> tuple[set[str], list[TestRunReport]]:
        """Run what looks broken again, alone: what passes then is flaky, not broken."""
        red = {case.test: case.change for case in verdict.cases if case.broken and case.old == FAILED}
        both = {test for test, change_verdict in red.items() if change_verdict == FAILED}
        old_alone = {test for test, change_verdict in red.items() if change_verdict == PASSED}
        if len(both) + len(old_alone) > MAX_AGAIN:
            return set(), []
        code = self._with_old_tests(change)
        kinds = ((both, change, "again"), (old_alone, code, "again with old tests"))
        flaky: set[str] = set()
        reports = []
        for suspects, laid, name in kinds:
            targets = sorted({self.footing.part.toolchain.file_of(test) for test in suspects})
            for _ in range(AGAIN):
                if suspects <= flaky:
                    break
                ran = await self._in_checkout(name, [laid], targets, environment)
                reports.append(ran.report)
                flaky |= {test for test in suspects if ran.verdicts.verdicts.get(test) == PASSED}
        return flaky, reports

    def _with_old_tests(self, change: ChangeSet) -> ChangeSet:
        """Return a change without what it does to tests and to what decides how they are run."""
        code = without(change, [*self.sorted.beside_code, *self.sorted.harness])
        code.files.extend(self.sorted.grafted_old.values())
        return code

    def _environment_report(self, environment: Environment) -> EnvironmentReport:
        """Say what the tests ran in."""
        project, recipe = self.footing.part.project, environment.recipe
        built = environment.seconds + (
            0 if environment is self.footing.environment else self.footing.environment.seconds
        )
        return EnvironmentReport(
            toolchain=project.toolchain,
            runner=project.runner,
            origin=recipe.origin or project.origin,
            project=project.root,
            notes=listed((*recipe.notes, *environment.notes, *self.footing.notes), MAX_NOTES, longest=MAX_NOTE),
            duration=to_duration(timedelta(seconds=built)),
            of_change=environment is not self.footing.environment,
        )

    def _expectations(self, verdict: Verdict) -> tuple[list[ExpectationForms], int]:
        """Return the tests whose expectation the change edits, in both forms, and how many more there are."""
        if self._data:
            return self._data_forms()
        toolchain = self.footing.part.toolchain
        groups: dict[str, tuple[str, bool]] = {}
        for case in verdict.cases:
            if case.expectation or (case.edited and case.proof and not case.added):
                groups.setdefault(case.group, (toolchain.file_of(case.test), case.declared))
        forms = []
        taken, rest = first(sorted(groups.items()), MAX_EXPECTATIONS)
        for group, (path, declared) in taken:
            file = self.sorted.tests.get(path)
            before = self.repository.base.read(path) or b""
            after = b"" if file is None or file.deleted else file.content
            forms.append(
                ExpectationForms(
                    test=group,
                    before=shortened(toolchain.code_of(path, before, group), 4000),
                    after=shortened(toolchain.code_of(path, after, group), 4000),
                    declared=declared,
                )
            )
        return forms, rest

    def _data_forms(self) -> tuple[list[ExpectationForms], int]:
        """Return the edited files of test data in both forms, and how many more there are."""
        taken, rest = first(self._data, MAX_EXPECTATIONS)
        forms = []
        for path in taken:
            file = self.sorted.support[path]
            before, after = self.repository.base.read(path) or b"", b"" if file.deleted else file.content
            texts = [shortened(content.decode("utf-8", "replace"), 4000) for content in (before, after)]
            forms.append(ExpectationForms(test=path, before=texts[0], after=texts[1]))
        return forms, rest

    def _notes(self, runs: Runs) -> list[str]:
        """Say what was not run or could not be judged."""
        notes = [self.selection.note] if self.selection.note and not self.footing.whole else []
        if self._data:
            notes.append(
                f"the change edits no test but what tests read, on which the verdict rests: {_names(self._data)}"
            )
        if self.footing.whole:
            notes.append("base's whole suite is short enough to be run each time")
        else:
            left_out = len(self.selection.near) - len(self._near())
            notes.append("only the change's own tests and those near to it were run, not the whole suite")
            why = "on base they take too long, or come to no end"
            notes += [f"{left_out} files of tests that are near were not run: {why}"] if left_out else []
        if runs.change.gate and not self._unmet(runs):
            where = "on base and on the change" if runs.base.gate else "on the change"
            notes.append(f"{runs.change.gate} ({where}): {GATE}")
        if self._gate_counts and not (self.footing.whole and self.footing.part.project.runner == "pytest"):
            notes.append("`test.gate` says nothing here: it needs a whole suite that pytest runs")
        return notes

    @property
    def _gate_counts(self) -> bool:
        """Whether a condition of the runner that is no test speaks against a change."""
        return self.footing.part.config.test.gate == "refuse"

    def _unmet(self, runs: Runs) -> str:
        """Return the condition that base meets and the change does not, where it counts."""
        return runs.change.gate if self._gate_counts and not runs.base.gate else ""


def _names(paths: Sequence[str]) -> str:
    """Return some paths, and how many more there are."""
    return enumerated(paths, 5)
