"""`pytest tests/unit/kleverkube --update-golden` rewrites the manifests after a deliberate change."""

from pathlib import Path

import pytest
import yaml

from kleverkube.errors import UnsupportedOnClusterError
from kleverkube.jobs import REQUEST_BYTES, job_name, job_network_policy, render_job
from kleverkube.manifest import Manifest
from kleverproto.variants import Gpu
from support.model_jobs import GOLDEN, job_options, model_job

DIRECTORY = Path(__file__).parents[2] / "data" / "job-manifests"


def containers(job: Manifest) -> dict[str, Manifest]:
    pod = job["spec"]["template"]["spec"]
    return {each["name"]: each for each in (*pod["initContainers"], *pod["containers"])}


@pytest.mark.parametrize("name", GOLDEN)
def test_manifests_of_jobs_are_the_golden_ones(name: str, request: pytest.FixtureRequest) -> None:
    job = render_job(*GOLDEN[name])
    stored = {**job, "metadata": {**job["metadata"], "uid": "uid-of-the-job"}}
    rendered = yaml.safe_dump_all([job, job_network_policy(*GOLDEN[name], stored)], sort_keys=False, width=120)
    golden = DIRECTORY / f"{name}.yaml"
    if request.config.getoption("--update-golden"):
        golden.write_text(rendered)
    assert rendered == golden.read_text()


def test_each_golden_file_of_jobs_is_rendered_by_a_case() -> None:
    assert {path.stem for path in DIRECTORY.iterdir()} == set(GOLDEN)


@pytest.mark.parametrize("name", GOLDEN)
def test_container_that_loads_the_model_has_no_credentials_and_shares_no_writable_files(name: str) -> None:
    by_name = containers(render_job(*GOLDEN[name]))
    running = by_name.pop("run")
    assert not [each for each in running["env"] if "valueFrom" in each]
    writable = {each["name"] for each in running["volumeMounts"] if not each.get("readOnly")}
    for other in by_name.values():
        assert writable & {each["name"] for each in other["volumeMounts"]} <= {"result"}


def test_generations_of_a_job_are_different_objects() -> None:
    names = {job_name(job, generation) for job in ("a", "b") for generation in (1, 2)}
    assert len(names) == 4
    assert all(len(name) <= 63 for name in names)


def test_request_that_no_annotation_can_hold_is_refused() -> None:
    with pytest.raises(UnsupportedOnClusterError, match="samplesDigest"):
        render_job(model_job(request="x" * (REQUEST_BYTES + 1)), job_options())


def test_gpu_that_no_node_can_have_is_refused_with_the_job() -> None:
    with pytest.raises(UnsupportedOnClusterError, match=r"^job .* requests the GPU type"):
        render_job(model_job(gpu=Gpu(type="no such/label!")), job_options())


def test_dollar_signs_of_arguments_are_not_replaced_by_the_cluster() -> None:
    job = render_job(model_job(model="a/$(HOME)@sha256:0"), job_options())
    assert "$$(HOME)" in containers(job)["ormb-storage-initializer"]["args"][1]


def test_id_that_is_no_label_is_refused() -> None:
    with pytest.raises(UnsupportedOnClusterError, match="cannot be a label"):
        render_job(model_job(id="../x y"), job_options())
