"""Hold mice_sim against R on fresh random cases: python tests/verify [--seed N] [--quick] [--write].

The table says what was compared, the largest difference that was found, and the limit; the exit code is 1 if one
exceeds its limit. With --write, results/verification.json and docs/validity.md get the table.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import secrets
import sys
import tempfile
import time
from datetime import date
from pathlib import Path

TESTS = Path(__file__).parents[1]


def main() -> int:
    parser = argparse.ArgumentParser(description="Hold mice_sim against R on fresh random cases.")
    parser.add_argument("--seed", type=int, help="The cases, 1 to 999999 [new ones].")
    parser.add_argument("--quick", action="store_true", help="Only what takes a minute or two.")
    parser.add_argument("--write", action="store_true", help="Write the table into results/ and docs/validity.md.")
    options = parser.parse_args()
    seed = options.seed if options.seed is not None else 1 + secrets.randbelow(999_999)
    if not 1 <= seed <= 999_999:
        parser.error(f"the seed is {seed}; give a whole number from 1 to 999999")
    print(f"Seed {seed}; the same cases again: make verify SEED={seed}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        # Both R's scripts and the tests read these.
        os.environ |= {"MICE_SIM_SEED": str(seed), "MICE_SIM_ORACLES": folder}
        sys.path.insert(0, str(TESTS))
        result = verify(Path(folder), seed, options.quick)
    import pages

    print(pages.verification(result))
    if options.write:
        pages.VERIFICATION.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        pages.update(["verification"])
    return 0 if all(line["agrees"] for line in result["lines"]) else 1


def verify(folder: Path, seed: int, quick: bool) -> dict:
    """Run all jobs, two at a time, and return what they found and how it was found."""
    from joblib import Parallel, delayed
    from jobs import jobs, versions, work

    began, chosen = time.perf_counter(), [job for job in jobs(folder) if job.quick or not quick]
    queue = sorted(chosen, key=lambda job: -job.seconds)
    found = {}
    for job, lines, said in Parallel(2, return_as="generator_unordered")(delayed(work)(job, folder) for job in queue):
        print(said, file=sys.stderr, flush=True)
        found[job.name] = lines
    lines = [dataclasses.asdict(line) | {"agrees": line.agrees} for job in chosen for line in found[job.name]]
    minutes = round((time.perf_counter() - began) / 60, 1)
    when = {"date": f"{date.today()}", "minutes": minutes, "load": round(os.getloadavg()[2], 1)}
    return {"seed": seed, **when, "versions": versions(), "lines": lines}


if __name__ == "__main__":
    sys.exit(main())
