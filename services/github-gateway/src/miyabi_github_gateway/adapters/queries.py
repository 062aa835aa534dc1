"""Every GraphQL query that the gateway sends; a test checks each against GitHub's published schema."""

from __future__ import annotations

from collections.abc import Iterable

from miyabi_github_gateway.models import IssueField

#: GitHub's largest page.
PAGE = 100

_HEADING = "id number title state url author { login } createdAt updatedAt"
_COMMENTS = "nodes { id author { login } body createdAt } pageInfo { hasNextPage endCursor }"
_OPTIONAL = {
    IssueField.BODY: "body",
    IssueField.LABELS: f"labels(first: {PAGE}) {{ nodes {{ name }} }}",
    IssueField.COMMENTS: f"comments(first: {PAGE}) {{ {_COMMENTS} }}",
    IssueField.PLANNING: f"assignees(first: {PAGE}) {{ nodes {{ login }} }} milestone {{ title }}",
    IssueField.RELATIONS: f"subIssues(first: {PAGE}) {{ nodes {{ number repository {{ nameWithOwner }} }} }}",
}


def issue_fields(fields: frozenset[IssueField]) -> str:
    """Return the fragment of an issue with what is wanted, and nothing else."""
    wanted = " ".join(text for name, text in _OPTIONAL.items() if name in fields)
    return f"fragment IssueFields on Issue {{ {_HEADING} {wanted} }}"


def batch_get_issues(numbers: Iterable[int], fields: frozenset[IssueField]) -> str:
    """Return one query with an alias an issue."""
    aliases = " ".join(f"i{number}: issue(number: {number}) {{ ...IssueFields }}" for number in numbers)
    return (
        "query BatchGetIssues($owner: String!, $name: String!) "
        f"{{ repository(owner: $owner, name: $name) {{ {aliases} }} }} {issue_fields(fields)}"
    )


#: The comments of an issue after a cursor.
MORE_COMMENTS = f"""
query MoreComments($owner: String!, $name: String!, $number: Int!, $after: String!) {{
  repository(owner: $owner, name: $name) {{
    issue(number: $number) {{ comments(first: {PAGE}, after: $after) {{ {_COMMENTS} }} }}
  }}
}}
"""


def list_issues(fields: frozenset[IssueField]) -> str:
    """Return the query that lists a repository's issues by number, oldest first."""
    return f"""
query ListIssues($owner: String!, $name: String!, $after: String, $labels: [String!], $states: [IssueState!]) {{
  repository(owner: $owner, name: $name) {{
    issues(first: {PAGE}, after: $after, labels: $labels, states: $states,
           orderBy: {{field: CREATED_AT, direction: ASC}}) {{
      nodes {{ ...IssueFields }} pageInfo {{ hasNextPage endCursor }}
    }}
  }}
}}
{issue_fields(fields)}
"""


def search_issues(fields: frozenset[IssueField]) -> str:
    """Return the query that searches issues."""
    return f"""
query SearchIssues($text: String!, $after: String) {{
  search(query: $text, type: ISSUE, first: {PAGE}, after: $after) {{
    nodes {{ ... on Issue {{ ...IssueFields }} }} pageInfo {{ hasNextPage endCursor }}
  }}
}}
{issue_fields(fields)}
"""


#: A repository with the head of its default branch and of one that is named.
GET_REPOSITORY = """
query GetRepository($owner: String!, $name: String!, $ref: String!) {
  repository(owner: $owner, name: $name) {
    id nameWithOwner isPrivate url
    defaultBranchRef { name target { oid } }
    ref(qualifiedName: $ref) { name target { oid } }
  }
}
"""
