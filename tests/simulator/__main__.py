"""Run the simulator: python tests/simulator --help."""

from __future__ import annotations

import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    from simulator.simulate import main

    sys.exit(main(sys.argv[1:]))
