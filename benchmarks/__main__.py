"""Run `python -m benchmarks` from the repository root."""

import sys

try:
    from benchmarks.run import main
except ModuleNotFoundError as missing:
    sys.exit(f"{missing}; install what development needs: pip install -e '.[dev]'")

sys.exit(main())
