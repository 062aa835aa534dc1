"""`make test-k8s [STEP=a,b]`: runs the steps on the cluster that KUBECONFIG points to and prints each figure."""

from __future__ import annotations

import json
import sys
import time
import traceback

from scripts.k8s import cluster
from scripts.k8s.shell import K8sError, say
from tests.k8s import endurance, failover, lifecycle, production, rotation, security, toolchains
from tests.k8s.rig import Figures, StepError

#: In this order; each can be run alone on a system that is up.
STEPS = {
    "start": lifecycle.start,
    "sizes": lifecycle.sizes,
    "server_dry_run": lifecycle.server_dry_run,
    "idle": lifecycle.idle,
    "demo": lifecycle.demo,
    "page": lifecycle.page,
    "network": security.network,
    "sandbox": security.sandbox,
    "toolchains": toolchains.toolchains,
    "rotation": rotation.rotation,
    "rolling": endurance.rolling,
    "rolling_slow_dns": endurance.rolling_slow_dns,
    "chaos": endurance.chaos,
    "failover": failover.failover,
    "keda": endurance.keda,
    "prod": production.prod,
    "end": lifecycle.end,
}


def main() -> int:
    """Run the steps that are asked for, or all; ends at the first that fails."""
    asked = [name for argument in sys.argv[1:] for name in argument.split(",") if name]
    unknown = [name for name in asked if name not in STEPS]
    if unknown:
        say(f"there is no step {unknown[0]!r}; there are: {', '.join(STEPS)}")
        return 2
    figures = Figures()
    try:
        cluster.require_cluster()
    except K8sError as error:
        say(f"test-k8s needs a cluster of its own: {error}")
        return 2
    for name in asked or STEPS:
        say(f"== {name}: {(STEPS[name].__doc__ or '').strip()}")
        began = time.monotonic()
        try:
            STEPS[name](figures)
        except (StepError, K8sError) as error:
            say(f"== {name}: FAILED after {time.monotonic() - began:.1f} s: {error}")
            return 1
        except Exception:  # noqa: BLE001 - a step that breaks has failed
            traceback.print_exc()
            say(f"== {name}: FAILED")
            return 1
        say(f"== {name}: ok after {time.monotonic() - began:.1f} s")
    for row in figures.rows:
        say(json.dumps(row))
    return 0


if __name__ == "__main__":
    sys.exit(main())
