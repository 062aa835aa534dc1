"""Writes everything that the simulators of a cluster are started with: `python -m miyabi_sim.demo FOLDER`.

FOLDER gets `seed.json` for the simulated GitHub, `scenarios/` for the simulated model, `repositories/` with the
operator's test configurations, and `requirements.txt` with what those need to be installed.
"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path

import yaml

from miyabi_sim.demo import synthetic
from miyabi_sim.demo.files import DATA, prepare

#: Enough for a batch that outlives two minutes of pods being killed.
SYNTHETIC_ISSUES = 100


def main() -> None:
    """Fetch Django's source, make the synthetic repository, write both into one seed."""
    parser = argparse.ArgumentParser(prog="python -m miyabi_sim.demo", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--synthetic", type=int, default=SYNTHETIC_ISSUES, help="issues of the synthetic repository")
    options = parser.parse_args()
    folder: Path = options.folder.resolve()
    django = prepare(folder / "cache")
    repository, issues = synthetic.write(folder / "synthetic", issues=options.synthetic)
    seed = json.loads(django.seed.read_text(encoding="utf-8"))
    seed["repositories"].append(repository)
    seed["issues"] += issues
    (folder / "seed.json").write_text(json.dumps(seed), encoding="utf-8")
    shutil.copytree(DATA / "scenarios", folder / "scenarios", dirs_exist_ok=True)
    shutil.copytree(folder / "synthetic/scenarios", folder / "scenarios", dirs_exist_ok=True)
    shutil.copytree(DATA / "repositories", folder / "repositories", dirs_exist_ok=True)
    config = yaml.safe_load(django.repository_config.read_text(encoding="utf-8"))
    (folder / "requirements.txt").write_text("\n".join(config["env"]["requirements"]) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
