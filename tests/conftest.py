"""Fixtures live in `plugins/`, one concern each."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

pytest_plugins = ["plugins.fix_nats"]
