"""The GraphQL texts that set labels: one query that looks, one mutation that adds and removes."""

from __future__ import annotations

from functools import lru_cache

#: Texts that are remembered: a call adds 0 to 50 labels.
TEXTS = 64
#: Connections that the query and the mutation read at most, which is what their cost is reckoned from.
CONNECTIONS = 2
#: An issue has at most a hundred labels, so one page holds them all.
_LABELS = "labels(first: 100) { nodes { id name } }"


@lru_cache(maxsize=TEXTS)
def find_labels(count: int) -> str:
    """Return the query for the labels of an issue or pull request, and for *count* labels of its repository by name."""
    names = "".join(f", $l{index}: String!" for index in range(count))
    wanted = "".join(f"\n    l{index}: label(name: $l{index}) {{ id name }}" for index in range(count))
    return f"""query FindLabels($owner: String!, $name: String!, $number: Int!{names}) {{
  repository(owner: $owner, name: $name) {{
    item: issueOrPullRequest(number: $number) {{
      ... on Issue {{ id {_LABELS} }}
      ... on PullRequest {{ id {_LABELS} }}
    }}{wanted}
  }}
}}"""


@lru_cache(maxsize=TEXTS)
def set_labels(*, add: bool, remove: bool) -> str:
    """Return the mutation; its parts are done in the order in which they stand, the last one answers what is left.

    Adding comes first, so that an issue is at no time without a label of a family that it has.
    """
    parts = {
        "add": "addLabelsToLabelable(input: { labelableId: $target, labelIds: $add })",
        "remove": "removeLabelsFromLabelable(input: { labelableId: $target, labelIds: $remove })",
    }
    chosen = [name for name, wanted in (("add", add), ("remove", remove)) if wanted]
    variables = "".join(f", ${name}: [ID!]!" for name in chosen)
    fields = "\n".join(f"  {name}: {parts[name]} {{ labelable {{ {_LABELS} }} }}" for name in chosen)
    return f"mutation SetLabels($target: ID!{variables}) {{\n{fields}\n}}"
