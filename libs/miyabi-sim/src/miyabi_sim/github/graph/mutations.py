"""What can be done to labels over GraphQL; whatever else changes things goes over REST."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from miyabi_sim.github.errors import GitHubError, archived
from miyabi_sim.github.graph.context import ForbiddenError, Info, NotFoundError, UnprocessableError
from miyabi_sim.github.kept.models import Issue, Repository, label_node_id
from miyabi_sim.github.routes.shapes import item_node_id

#: A mutation's `input`, by GitHub's names.
_Input = Mapping[str, Any]


def _add(_root: object, info: Info, input: _Input) -> dict[str, Any]:  # noqa: A002 - GitHub's name
    repository, item, names = _resolved(info, input)
    try:
        info.context.forge.set_labels(repository, item, names=names, replace=False)
    except GitHubError as error:
        raise UnprocessableError(str(error.errors[0])) from error
    return _payload(input, item)


def _remove(_root: object, info: Info, input: _Input) -> dict[str, Any]:  # noqa: A002 - GitHub's name
    repository, item, names = _resolved(info, input)
    info.context.forge.remove_labels(repository, item, names=names)
    return _payload(input, item)


def _resolved(info: Info, given: _Input) -> tuple[Repository, Issue, list[str]]:
    """Return what the ids of an input stand for; with one that stands for nothing nothing is done.

    Raises:
        NotFoundError: there is no such item, or no such label in its repository.
        ForbiddenError: the repository is archived.
    """
    for repository in info.context.store:
        for item in repository.items.values():
            if item_node_id(item) == given["labelableId"]:
                if repository.archived:
                    raise ForbiddenError(archived().message)
                names = {label_node_id(label): label.name for label in repository.labels}
                return repository, item, [_found(names, label) for label in given["labelIds"]]
    raise _unknown(given["labelableId"])


def _found(names: Mapping[str, str], label: str) -> str:
    if label not in names:
        raise _unknown(label)
    return names[label]


def _unknown(wanted: str) -> NotFoundError:
    return NotFoundError(f"Could not resolve to a node with the global id of '{wanted}'.")


def _payload(given: _Input, item: Issue) -> dict[str, Any]:
    return {"clientMutationId": given.get("clientMutationId"), "labelable": item}


#: Resolvers by type and field.
MUTATIONS: dict[str, dict[str, Callable[..., Any]]] = {
    "Mutation": {"addLabelsToLabelable": _add, "removeLabelsFromLabelable": _remove}
}
