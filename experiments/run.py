"""The same program as `mice-sim run`: python experiments/run.py experiment=volker_vink_2021"""

import sys

from mice_sim.cli import main

if __name__ == "__main__":
    main(["run", *sys.argv[1:]])
