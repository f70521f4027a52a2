"""Run `python -m benchmarks.ui` from the repository root."""

import sys

try:
    from benchmarks.ui.run import main
except ModuleNotFoundError as missing:
    sys.exit(f"{missing}; install what development needs: pip install -e '.[dev]' playwright")

sys.exit(main())
