"""Parses in this process: for tests, and where isolation comes from elsewhere."""

import asyncio
from pathlib import Path

import modelformats
from klever_jobrunner.errors import INVALID_MODEL, UNSUPPORTED_FORMAT, JobError
from kleverproto.signatures import Signature


class InlineExecutor:
    """See `ports.JobExecutor`."""

    async def extract(self, directory: Path, format_name: str) -> Signature:
        """See `ports.JobExecutor`."""
        try:
            return await asyncio.to_thread(modelformats.extract_signature, format_name, directory)
        except modelformats.InvalidModelError as error:
            raise JobError(str(error), code=INVALID_MODEL) from error
        except modelformats.UnsupportedFormatError as error:
            raise JobError(str(error), code=UNSUPPORTED_FORMAT) from error
