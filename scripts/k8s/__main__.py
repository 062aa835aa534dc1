"""`python -m scripts.k8s WORD`: what the Makefile's words for Kubernetes run."""

from __future__ import annotations

import argparse
import os
import sys

from scripts.k8s import down, images, up, validate
from scripts.k8s.render import chosen, render
from scripts.k8s.shell import K8sError, say


def main() -> int:
    """Run one word; a foreseen problem is one message and exit code 1."""
    parser = argparse.ArgumentParser(prog="python -m scripts.k8s", description=__doc__)
    parser.add_argument("word", choices=["images", "render", "validate", "up", "down", "status", "logs"])
    word = parser.parse_args().word
    try:
        return _run(word)
    except K8sError as error:
        print(f"{word}: {error}", file=sys.stderr)
        return 1


def _run(word: str) -> int:
    """Run one word."""
    if word == "images":
        images.build(valkey=os.environ.get("VALKEY", "") == "1")
    elif word == "render":
        say(render(chosen(repository=images.repository(), tag=images.content_tag())))
    elif word == "validate":
        return validate.validate()
    elif word == "up":
        up.up()
    elif word == "down":
        down.down(purge=os.environ.get("PURGE", "") == "1")
    elif word == "status":
        down.status()
    else:
        return down.logs()
    return 0


if __name__ == "__main__":
    sys.exit(main())
