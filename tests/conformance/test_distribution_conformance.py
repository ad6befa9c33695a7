"""The OCI distribution conformance suite against the embedded registry, with every API enabled.

Two defaults of the suite remain. `sparse`: a manifest whose blobs were not pushed is refused, since a
model with missing files must not become an event. An anonymous mount counts as skipped: a blob without a source
repository is uploaded.
"""

import os
import re
import subprocess
from pathlib import Path

import pytest

from support.go_tools import go_tool
from support.registry_service import RegistryProcess

SUITE = "github.com/opencontainers/distribution-spec/conformance"
ON = (
    "OCI_API_BLOBS_DIGEST_HEADER",
    "OCI_API_BLOBS_UPLOAD_CANCEL",
    "OCI_API_MANIFESTS_DIGEST_HEADER",
    "OCI_API_MANIFESTS_TAG_PARAM",
)
"""Parts of the suite that are disabled by default."""


@pytest.mark.timeout(600)
def test_the_embedded_registry_conforms(nats_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    program = go_tool(SUITE)
    registry = RegistryProcess(tmp_path, nats_url)
    registry.start()
    try:
        settings = {
            "OCI_REGISTRY": registry.address,
            "OCI_TLS": "disabled",
            "OCI_VERSION": "1.1",
            "OCI_RESULTS_DIR": str(tmp_path / "results"),
            **dict.fromkeys(ON, "true"),
        }
        done = subprocess.run(
            [program], cwd=tmp_path, env=os.environ | settings, capture_output=True, text=True, check=False
        )
    finally:
        registry.stop()
    summary = done.stdout.partition("OCI Conformance Result:")[2]
    with capsys.disabled():
        print(f"\nOCI Conformance Result:{summary}")
    counts = {name: int(count) for name, count in re.findall(r"^  (\w+)\.+: +(\d+)$", summary, re.MULTILINE)}
    assert done.returncode == 0, done.stdout[-4000:]
    assert (counts["FAIL"], counts["Error"], counts["Disabled"]) == (0, 0, 0)
    assert counts["Pass"] > 900
