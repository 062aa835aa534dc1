"""Batches of synthetic issues for the steps: handed over, and looked at afterwards for what was lost or done twice."""

from __future__ import annotations

import collections
import json
import subprocess
import time
import uuid

from tests.k8s.rig import (
    COORDINATOR,
    StepError,
    environment,
    events_of,
    expect,
    github_items,
    grpcurl,
    pull_requests,
)

SYNTHETIC = "acme/synthetic"
#: Longest wait for the batches of these steps; the machine of the figures has two cores.
BATCH_SECONDS = float(environment("MIYABI_K8S_BATCH_SECONDS", "3600"))


def submit(port: int, issues: list[int], *, concurrency: int, pipeline: str = "PIPELINE_FIX") -> str:
    """Hand a batch over and hang up; the same request is made again until it is accepted. Returns its name."""
    body = {
        "repository": SYNTHETIC, "issue_numbers": issues, "pipeline": pipeline, "concurrency": concurrency,
        "request_id": str(uuid.uuid4()),
    }  # fmt: skip
    command = [
        grpcurl(),
        "-plaintext",
        "-max-time",
        "8",
        "-d",
        json.dumps(body),
        f"127.0.0.1:{port}",
        f"{COORDINATOR}/SubmitBatch",
    ]
    for _ in range(30):
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
        for part in done.stdout.split('"'):
            if part.startswith("batches/") and part.count("/") == 1:
                return part
        time.sleep(1)
    raise StepError(f"the batch was not accepted: {done.stderr[-500:]}")


def check_effects(github: int, port: int, name: str, issues: list[int]) -> dict[str, int]:
    """Nothing is lost and nothing was done twice: the log, the pull requests, the labels, the comments."""
    events = events_of(port, name)
    sequences = [int(event["sequence"]) for event in events]
    expect(sequences == list(range(1, len(sequences) + 1)), "the log has gaps or repeats")
    items = github_items(github, SYNTHETIC)
    pulls = [pull for pull in pull_requests(items) if any(f"#{number}\n" in f"{pull['body']}\n" for number in issues)]
    closing = collections.Counter(
        number for pull in pull_requests(items) for number in issues if f"Closes #{number}\n" in f"{pull['body']}\n"
    )
    expect(sorted(closing) == sorted(issues), f"issues without a pull request: {sorted(set(issues) - set(closing))}")
    expect(set(closing.values()) == {1}, f"more than one pull request: {closing.most_common(3)}")
    marked = 0
    for item in items:
        bodies = [comment["body"].split("\n", 1)[0] for comment in item["comments"]]
        expect(len(bodies) == len(set(bodies)), f"#{item['number']} has a comment twice: {bodies}")
        expect(len(item["labels"]) == len(set(item["labels"])), f"#{item['number']} has a label twice")
        marked += len(bodies)
    return {"events": len(events), "pull_requests": len(pulls), "comments": marked}


def fresh_issues(github: int, count: int) -> list[int]:
    """Return issues of the synthetic repository that have no pull request yet."""
    items = github_items(github, SYNTHETIC)
    taken = "\n".join(f"{pull['body']}\n" for pull in pull_requests(items))
    free = [item["number"] for item in items if "head_ref" not in item and f"Closes #{item['number']}\n" not in taken]
    expect(len(free) >= count, f"only {len(free)} issues are left: start anew with the step `start`")
    return sorted(free)[:count]
