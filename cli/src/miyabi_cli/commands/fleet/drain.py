"""`miyabi drain`: an agent finishes what it has and takes no more."""

from __future__ import annotations

from miyabi.coordinator.v1 import coordinator_service_pb2 as pb
from miyabi_cli.asking.arguments import AgentId, Json
from miyabi_cli.calling.wire import json_of
from miyabi_cli.client import CoordinatorClient, talk
from miyabi_cli.runtime import Runtime
from miyabi_cli.showing.agent_view import agent_words
from miyabi_cli.terminal import ours, say, shown
from miyabi_core.ids import new_ulid
from miyabi_core.text import Untrusted


def drain(agent: AgentId, *, as_json: Json = False) -> None:
    """Let an agent finish what it has and take no more; it ends, or attaches anew when it is started again."""
    name = f"agents/{agent.removeprefix('agents/')}"

    async def main(runtime: Runtime, client: CoordinatorClient) -> int:
        answer = await client.ask(client.stub.DrainAgent, pb.DrainAgentRequest(name=name, request_id=new_ulid()))
        if as_json:
            runtime.print_line(json_of(answer.agent))
            return 0
        say(runtime.output, shown(Untrusted(answer.agent.name)), ours(" "), shown(Untrusted(agent_words(answer.agent))))
        say(runtime.output, ours("  next: miyabi agents --watch"))
        return 0

    talk(main)
