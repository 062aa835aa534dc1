"""Where the conversations of one implementation work: its tree, its tools, and the models that are asked one by one."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from miyabi.coordinator.v1.dispatch_service_pb2 import Lease
from miyabi.coordinator.v1.state_pb2 import Pipeline
from miyabi_agents.agents import prompts
from miyabi_agents.agents.editing import TOOLS, Attempts, EditingTools, translated
from miyabi_agents.agents.escalation import tier_of
from miyabi_agents.agents.prefix import shared_prefix
from miyabi_agents.agents.trying import TryingTools, open_tools
from miyabi_agents.errors import NoProgressError
from miyabi_agents.localisation import Locator
from miyabi_agents.model import BrakeLimits, ModelSession, SharedPrefix, ToolHandler, steps_for
from miyabi_agents.ports import TaskContext, Tree
from miyabi_core.text import shortened

#: The tools that change files.
CHANGING = frozenset({"edit_file", "create_file", "move_file", "delete_file"})
#: Longest sentence on a model that was stopped, in the name of a step.
MOST_SAID = 300


@dataclass(frozen=True)
class Desk:
    """What the conversations of one task share.

    Args:
        task: The task.
        context: What it may use.
        model: Who is asked.
        tree: Holds the change.
        editing: Looks at the change and edits it: one for all, so that no edit undoes another's.
        trying: Runs tests and commands; None where there is nothing to run.
        prefix: What each conversation begins with.
        attempts: Notes what is refused.
    """

    task: Lease
    context: TaskContext
    model: ModelSession
    tree: Tree
    editing: EditingTools
    trying: TryingTools | None
    prefix: SharedPrefix
    attempts: Attempts = field(default_factory=Attempts)

    async def talk(self, *, step: str, prompt: str, finish: Mapping[str, Any]) -> dict[str, Any]:
        """Hold a conversation; one that is stopped is held again with a deeper model, which is told why.

        Args:
            step: Under which its text is streamed.
            prompt: Its first message.
            finish: The tool that ends it, whose input is returned.

        Raises:
            NoProgressError: the deepest model was stopped too.
            ModelAnswerError: its answers could not be used.
            ModelUnavailableError: the API refused or could not be reached.
            BudgetError: the budget does not pay for the next call.
        """
        tools = [*TOOLS, *(self.trying.definitions if self.trying else ()), finish]
        tier, before, learnt = tier_of(self.task), prompts.learnt_before(self.task), ""
        while True:
            try:
                return await self.model.run_tools(
                    step=step,
                    shared=self.prefix,
                    prompt="\n\n".join(filter(None, (before, prompt, learnt))),
                    tools=tools,
                    handlers=self._handlers(),
                    translate=self.attempts.translating(translated, tools),
                    finish=finish["name"],
                    tier=tier,
                    limits=BrakeLimits(steps=steps_for(self.task.inputs.triage.size)),
                    changing=CHANGING,
                )
            except NoProgressError as error:
                if self.model.is_same(tier, tier.deeper()):
                    raise
                tier, learnt = tier.deeper(), prompts.learnt_text(error.learnt)
                await self.context.progress.step(f"asking a deeper model: {shortened(str(error), MOST_SAID)}")

    def _handlers(self) -> dict[str, ToolHandler]:
        """Return the tools on the tree; what they refuse is noted."""
        editing: Mapping[str, ToolHandler] = self.editing.handlers()
        return self.attempts.watching({**editing, **(self.trying.handlers() if self.trying else {})})


@asynccontextmanager
async def open_desk(task: Lease, context: TaskContext, model: ModelSession, locator: Locator) -> AsyncIterator[Desk]:
    """Give a desk with the change so far, for a block.

    Raises:
        WorkspaceError: the base cannot be read, or the change does not fit it.
    """
    inputs = task.inputs
    async with AsyncExitStack() as held:
        opened = context.workspaces.edit(repository=inputs.repository, sha=inputs.base_sha)
        tree = await held.enter_async_context(opened)
        if inputs.HasField("change_set"):
            await tree.apply(inputs.change_set)
        # Only where a change is verified afterwards have its tests to be runnable at all.
        is_verified = inputs.pipeline == Pipeline.PIPELINE_FIX
        trying = await held.enter_async_context(open_tools(context, tree)) if is_verified else None
        prefix = await shared_prefix(context, locator, running=trying.definitions if trying else [])
        yield Desk(task, context, model, tree, EditingTools(tree), trying, prefix)
