"""Document: writes documentation for a change, streamed, or says that none is needed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePosixPath

from miyabi.common.v1.task_kind_pb2 import TaskKind
from miyabi.coordinator.v1.dispatch_service_pb2 import Lease, Outcome
from miyabi.coordinator.v1.result_pb2 import ChangeSet, DocumentResult
from miyabi_agents.agents import prompts
from miyabi_agents.agents.change_prompt import change_prompt
from miyabi_agents.agents.edit_policy import problem_of
from miyabi_agents.agents.editing import TOOLS, Attempts, EditingTools, translated
from miyabi_agents.agents.prefix import shared_prefix
from miyabi_agents.agents.prefix.tools import FINISH_DOCUMENTATION
from miyabi_agents.localisation import Locator
from miyabi_agents.model.tiers import Tier
from miyabi_agents.ports import TaskContext
from miyabi_core.text import both_ends

#: Characters of the summary: the interface's own limit.
MAX_SUMMARY = 8_000
#: What is documented is added to what is there: nothing is moved or deleted.
_TOOLS = [entry for entry in TOOLS if entry["name"] not in {"move_file", "delete_file"}]
#: Files that documentation may touch: prose, never code.
PROSE = frozenset({".md", ".rst", ".adoc"})
#: Folders in which a `.txt` file is prose.
DOCUMENT_FOLDERS = frozenset({"docs", "doc", "documentation"})
#: Names with which a `.txt` file is prose wherever it lies.
TEXT_NAMES = frozenset({"readme", "changes", "changelog", "news", "history", "authors", "contributors", "todo"})


class DocumenterAgent:
    """Lets the model edit prose files of the checkout.

    Args:
        locator: Makes the map of the repository.
    """

    kind = "document"
    capabilities = frozenset({TaskKind.TASK_KIND_DOCUMENT})

    def __init__(self, locator: Locator) -> None:
        self._locator = locator

    async def run(self, task: Lease, context: TaskContext) -> Outcome:
        """Document the change; without a model nothing is documented, and it says so.

        Raises:
            WorkspaceError: the base cannot be checked out.
            ModelAnswerError: the model did not come to an end.
        """
        inputs = task.inputs
        if context.model is None:
            words = "No model is configured: nothing was documented."
            return Outcome(documentation=DocumentResult(nothing_to_document=True, summary=words))
        await context.progress.step("documenting")
        seen, attempts = change_prompt(inputs.change_set), Attempts()
        opened = context.workspaces.edit(repository=inputs.repository, sha=inputs.base_sha)
        async with opened as tree:
            await tree.apply(inputs.change_set)
            shared, tools = await shared_prefix(context, self._locator), [*_TOOLS, FINISH_DOCUMENTATION]
            handlers = EditingTools(tree).handlers()
            said = await context.model.run_tools(
                step="documentation",
                shared=shared,
                prompt=_prompt(task, seen.text),
                tools=tools,
                handlers=attempts.watching(handlers),
                translate=attempts.translating(translated, tools),
                finish="finish_documentation",
                tier=Tier.FAST,
            )
            await context.progress.text_done("documentation")
            change = await tree.change_set()
        result = _result(inputs.change_set, change, said["summary"], seen.notes)
        result.attempts_refused.extend(attempts.told())
        return Outcome(documentation=result)


def _prompt(task: Lease, change: str) -> str:
    """Ask for the documentation of the change."""
    return (
        f"{prompts.heading(task)}\n\n{prompts.fence(task.inputs.issue_title)}\n\nThe change:\n"
        f"{change}\n\nIf users of the project need to know of it, add it to the "
        "documentation that is there (release notes, reference), in prose files only. Then call finish_documentation."
    )


def _result(before: ChangeSet, change: ChangeSet, said: str, notes: Sequence[str]) -> DocumentResult:
    """Return the documentation where it is prose; a step that touched anything else is left out, and says so.

    Its summary ends with what the model did not see of the change.

    What is pushed is what was verified: every file of the change before has to be there with the same content.
    """
    summary = both_ends("\n\n".join([said, *notes]), MAX_SUMMARY)
    known = {file.path: file for file in before.files}
    now = {file.path: file for file in change.files}
    touched = sorted(path for path in known.keys() | now.keys() if known.get(path) != now.get(path))
    if not touched:
        return DocumentResult(nothing_to_document=True, summary=summary)
    foreign = [path for path in touched if path in known or not is_prose(path)]
    if foreign or problem_of(change.files):
        what = f"{foreign[0]!a}" if foreign else problem_of(change.files)
        words = f"The documentation step changed what is not its to change ({what}); all of it was left out."
        return DocumentResult(nothing_to_document=True, summary=words)
    change.summary = before.summary
    change.changed_expectations.extend(before.changed_expectations)
    change.attempts_refused.extend(before.attempts_refused)
    return DocumentResult(summary=summary, change_set=change)


def is_prose(path: str) -> bool:
    """Tell whether a file is prose: `.txt` counts by its name or folder only, for programs read such files too."""
    pure = PurePosixPath(path)
    if pure.suffix in PROSE:
        return True
    documents = any(part in DOCUMENT_FOLDERS for part in pure.parts[:-1])
    return pure.suffix == ".txt" and pure.stem != "CMakeLists" and (documents or pure.stem.casefold() in TEXT_NAMES)
