"""Random faults against the whole platform under load: nothing is lost or doubled, and readiness is truthful.

`KLEVER_CHAOS_SECONDS` is the duration of the faults in seconds (150). `KLEVER_CHAOS_SEED` or `--seed` repeats the
actions of a run.
"""

import os
import secrets
import shutil
from pathlib import Path

import pytest

from support.chaos.campaign import SETTLE_SECONDS, Campaign
from support.chaos.clocks import ShiftedClock
from support.chaos.deck import named
from support.chaos.disks import small_disks
from support.chaos.listener import Listener
from support.chaos.readiness import Readiness
from support.chaos.users import Users
from support.chaos.world import World

SECONDS = float(os.environ.get("KLEVER_CHAOS_SECONDS", "150"))
DISKS_MEGABYTES = {"nats": 256, "registry": 256, "jobrunner": 256, "deployer": 256, "gateway": 256}


@pytest.mark.timeout(SECONDS + 2 * SETTLE_SECONDS + 300)
async def test_no_event_is_lost_or_duplicated(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    given = request.config.getoption("--seed") or os.environ.get("KLEVER_CHAOS_SEED")
    seed = str(given or secrets.randbelow(1_000_000))
    print(f"\nseed {seed}: --seed {seed} repeats these actions")
    home, models, clock = tmp_path / "home", tmp_path / "models", ShiftedClock(tmp_path)
    home.mkdir()
    models.mkdir()
    with small_disks(home, DISKS_MEGABYTES) as disks:
        if isinstance(disks, str):
            print(f"SKIPPED: full disks, because {disks}")
        if reason := clock.build():
            print(f"SKIPPED: clock steps, because {reason}")
        world = World(
            home,
            environment={} if reason else clock.environment,
            disks={} if isinstance(disks, str) else disks,
            clock=None if reason else clock,
        )
        kinds = named(request.config.getoption("--faults"))
        wrong = await campaign(
            Campaign(world, Users(world, seed, models), Readiness(world), Listener(world), seed, kinds, SECONDS)
        )
        failures = internal_failures(home) if wrong else []
    assert not wrong, "\n".join([f"seed {seed}", *wrong, *failures])


def internal_failures(home: Path) -> list[str]:
    """Return the last log lines that report an internal failure, each with its traceback."""
    lines = (line for log in home.glob("*logs/**/*.log*") for line in log.read_text(errors="replace").splitlines())
    return sorted({line for line in lines if '"exception"' in line})[-5:]


async def campaign(run: Campaign) -> list[str]:
    """Run a campaign. Return everything that was wrong."""
    try:
        await run.world.start()
        wrong = await run.run()
    except Exception:
        print("\n".join(["last not ready:", *run.readiness.last_reasons]))
        raise
    finally:
        await run.users.close()
        left = await run.world.end()
        keep_logs(run.world.home)
    wrong += [f"klever up has left {process}" for process in left]
    for text in wrong:
        print(f"WRONG: {text}")
    print(f"{run.summary}; {len(wrong)} wrong")
    return wrong


def keep_logs(home: Path) -> None:
    """Copy the logs to $KLEVER_CHAOS_LOGS, for debugging."""
    if kept := os.environ.get("KLEVER_CHAOS_LOGS"):
        shutil.copytree(home / "logs", Path(kept) / "last", dirs_exist_ok=True)
        if (home / "all-logs").exists():
            shutil.copytree(home / "all-logs", kept, dirs_exist_ok=True)
