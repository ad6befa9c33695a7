from typing import Any

import pytest

from kleverkube.errors import UnsupportedOnClusterError
from kleverkube.images import runtime_of
from kleverkube.labels import VERSION, recorded
from kleverkube.manifest import Manifest
from kleverkube.options import NVIDIA_PRODUCT, ClusterOptions
from kleverkube.rendering import refusal, render
from kleverkube.version import ServedVersion
from kleverproto.variants import Autoscaling, Custom, Gpu, Network, Resources
from support.served_versions import GOLDEN, SCALED, served, with_environment

OPTIONS = ClusterOptions()
ALL_OBJECTS = [(name, each) for name, case in GOLDEN.items() for each in render(*case)]


def rendered(version: ServedVersion, kind: str, options: ClusterOptions = OPTIONS) -> Manifest:
    return next(each for each in render(version, options) if each["kind"] == kind)


def pod(version: ServedVersion, options: ClusterOptions = OPTIONS) -> Manifest:
    spec: Manifest = rendered(version, "Deployment", options)["spec"]["template"]["spec"]
    return spec


def containers(spec: Manifest) -> list[Manifest]:
    return [*spec["initContainers"], *spec["containers"]]


@pytest.mark.parametrize("name", GOLDEN)
def test_pods_meet_the_restricted_pod_security_standard(name: str) -> None:
    spec = pod(*GOLDEN[name])
    assert spec["securityContext"]["runAsNonRoot"]
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert not spec["automountServiceAccountToken"]
    for container in containers(spec):
        context = container["securityContext"]
        assert context["readOnlyRootFilesystem"]
        assert not context["allowPrivilegeEscalation"]
        assert context["capabilities"] == {"drop": ["ALL"]}


@pytest.mark.parametrize("name", GOLDEN)
def test_mounts_name_volumes_and_ports_are_named(name: str) -> None:
    spec = pod(*GOLDEN[name])
    volumes = {volume["name"] for volume in spec["volumes"]}
    assert {mount["name"] for each in containers(spec) for mount in each["volumeMounts"]} == volumes
    ports = [port["name"] for port in spec["containers"][0]["ports"]]
    service = rendered(GOLDEN[name][0], "Service", GOLDEN[name][1])
    assert [port["targetPort"] for port in service["spec"]["ports"]] == ports
    assert set(ports) <= {"http", "grpc"}


@pytest.mark.parametrize("name", GOLDEN)
def test_termination_leaves_time_for_the_hook_and_for_requests_in_flight(name: str) -> None:
    version, options = GOLDEN[name]
    spec = pod(version, options)
    pause = spec["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert spec["terminationGracePeriodSeconds"] > pause + options.grace_seconds


@pytest.mark.parametrize("name", GOLDEN)
def test_the_version_can_be_read_from_the_annotation(name: str) -> None:
    version, options = GOLDEN[name]
    deployment = rendered(version, "Deployment", options)
    assert recorded(deployment["metadata"]["annotations"]) == version


@pytest.mark.parametrize("text", [None, "", "{", '{"serving": "iris"}'])
def test_an_annotation_that_is_not_valid_holds_no_version(text: str | None) -> None:
    assert recorded(None if text is None else {VERSION: text}) is None


@pytest.mark.parametrize(("name", "each"), ALL_OBJECTS)
def test_objects_name_their_owner(name: str, each: Manifest) -> None:
    version, options = GOLDEN[name]
    labels = each["metadata"]["labels"]
    assert labels["app.kubernetes.io/managed-by"] == "klever"
    assert labels["klever.dev/platform"] == options.platform
    assert (labels["klever.dev/serving"], labels["klever.dev/revision"]) == (version.serving, version.revision)


def test_dollar_signs_are_not_replaced_by_kubernetes() -> None:
    [server] = pod(with_environment())["containers"]
    env = {each["name"]: each.get("value") for each in server["env"]}
    assert env["GREETING"] == "$$(HOME) costs $$5"
    assert server["command"] == ["serve", "--port", "8080", "--price", "$$5"]


def test_variables_of_the_platform_cannot_be_replaced() -> None:
    [server] = pod(with_environment())["containers"]
    assert [each for each in server["env"] if each["name"] == "PORT"] == [{"name": "PORT", "value": "8080"}]


def test_the_autoscaler_decides_on_the_number_of_replicas() -> None:
    scaled = served(autoscaling=SCALED, resources=Resources(cpu="1"))
    assert "replicas" not in rendered(scaled, "Deployment")["spec"]
    target = rendered(scaled, "HorizontalPodAutoscaler")["spec"]["scaleTargetRef"]["name"]
    assert target == rendered(scaled, "Deployment")["metadata"]["name"]


def test_without_autoscalers_the_deployer_decides_on_the_number_of_replicas_and_no_cpu_is_needed() -> None:
    scaled, options = served(autoscaling=SCALED), ClusterOptions(autoscalers=False)
    objects = {each["kind"]: each for each in render(scaled, options, 3)}
    assert objects["Deployment"]["spec"]["replicas"] == 3
    assert "HorizontalPodAutoscaler" not in objects
    assert refusal(scaled.variant, options) is None
    idle = served(autoscaling=Autoscaling(min_replicas=0, max_replicas=1))
    assert "autoscaling.minReplicas" in (refusal(idle.variant, options) or "")


def test_a_number_of_replicas_can_be_given() -> None:
    deployments = [render(served(replicas=2), OPTIONS, number)[2] for number in (None, 0, 5)]
    assert [each["spec"]["replicas"] for each in deployments] == [2, 0, 5]


DNS = [{"protocol": "UDP", "port": 53}, {"protocol": "TCP", "port": 53}]


def tcp(port: int) -> list[dict[str, Any]]:
    return [{"protocol": "TCP", "port": port}]


def namespace(name: str) -> list[dict[str, Any]]:
    return [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": name}}}]


@pytest.mark.parametrize(
    ("registry", "plain_http", "egress"),
    [
        ("registry.example.com", False, [{"ports": [*DNS, *tcp(443)]}]),
        ("registry.example.com", True, [{"ports": [*DNS, *tcp(80)]}]),
        ("10.0.0.7:5000", False, [{"to": [{"ipBlock": {"cidr": "10.0.0.7/32"}}], "ports": tcp(5000)}]),
        ("[fd00::7]:5000", False, [{"to": [{"ipBlock": {"cidr": "fd00::7/128"}}], "ports": tcp(5000)}]),
        ("harbor.registry.svc.cluster.local:80", True, [{"ports": DNS}, {"to": namespace("registry")}]),
        ("harbor.registry.svc", False, [{"ports": DNS}, {"to": namespace("registry")}]),
    ],
)
def test_without_network_only_the_registry_is_reachable_and_name_servers_if_it_has_a_name(
    registry: str, egress: list[dict[str, Any]], *, plain_http: bool
) -> None:
    policy = rendered(served(registry=registry), "NetworkPolicy", ClusterOptions(plain_http=plain_http))
    assert policy["spec"]["policyTypes"] == ["Egress"]
    assert policy["spec"]["egress"] == egress


@pytest.mark.parametrize("network", Network)
def test_only_pods_of_the_given_namespaces_can_connect_to_model_servers(network: Network) -> None:
    options = ClusterOptions(client_namespaces={"kubernetes.io/metadata.name": "istio-system"})
    policy = rendered(served(network=network), "NetworkPolicy", options)["spec"]
    assert policy["ingress"] == [{"from": namespace("istio-system")}]
    types = ["Ingress", "Egress"] if network is Network.NONE else ["Ingress"]
    assert (policy["policyTypes"], "egress" in policy) == (types, network is Network.NONE)
    pods = rendered(served(network=network), "Deployment", options)["spec"]["selector"]
    assert policy["podSelector"] == pods


def test_with_network_there_is_no_policy() -> None:
    assert "NetworkPolicy" not in {each["kind"] for each in render(served(network=Network.EGRESS), OPTIONS)}


def test_a_gpu_type_that_is_not_configured_is_the_product_of_a_node() -> None:
    spec = pod(served("ONNX", "triton", resources=Resources(gpu=Gpu(type="NVIDIA-L4"))))
    assert spec["nodeSelector"] == {NVIDIA_PRODUCT: "NVIDIA-L4"}
    assert spec["tolerations"] == [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}]
    assert spec["containers"][0]["resources"]["limits"] == {"nvidia.com/gpu": "1"}
    assert "limits" not in spec["initContainers"][0].get("resources", {})


@pytest.mark.parametrize(
    ("memory", "least"), [("32Mi", "128Mi"), ("128Mi", "128Mi"), ("1Gi", "1Gi"), ("1000k", "128Mi")]
)
def test_a_server_with_little_memory_leaves_enough_for_fetching_the_model(memory: str, least: str) -> None:
    spec = pod(served(resources=Resources(cpu="100m", memory=memory)))
    given = {"cpu": "100m", "memory": least}
    assert spec["initContainers"][0]["resources"] == {"requests": given, "limits": given}
    assert spec["containers"][0]["resources"]["limits"] == {"cpu": "100m", "memory": memory}


def test_without_a_limit_of_memory_fetching_the_model_has_none() -> None:
    spec = pod(served(resources=Resources(cpu="100m")))
    assert spec["initContainers"][0]["resources"] == {"requests": {"cpu": "100m"}, "limits": {"cpu": "100m"}}


def test_a_replica_with_a_gpu_is_replaced_in_its_place() -> None:
    strategy = rendered(served("ONNX", "triton", resources=Resources(gpu=Gpu())), "Deployment")["spec"]["strategy"]
    assert strategy["rollingUpdate"] == {"maxSurge": 0, "maxUnavailable": 1}


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "command": ({"custom": Custom(command=("serve",))}, "Add `custom.image`"),
    "scale to zero": ({"autoscaling": Autoscaling(min_replicas=0, max_replicas=1)}, "autoscaling.minReplicas"),
    "no cpu": ({"autoscaling": Autoscaling(max_replicas=2)}, "Set resources.cpu"),
    "gpu type": ({"resources": Resources(gpu=Gpu(type="A 100"))}, "'A 100', which no label of a node can have"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_settings_that_a_cluster_does_not_support_are_refused_with_a_remedy(case: str) -> None:
    changes, sentence = REFUSED[case]
    version = served(**changes, runtime="custom" if "custom" in changes else "kleverserve")
    assert sentence in (refusal(version.variant, OPTIONS) or "")
    with pytest.raises(UnsupportedOnClusterError, match=sentence.replace("`", ".")):
        render(version, OPTIONS)


def test_other_settings_are_not_refused() -> None:
    assert [refusal(version.variant, options) for version, options in GOLDEN.values()] == [None] * len(GOLDEN)


@pytest.mark.parametrize(
    ("model_format", "runtime", "chosen"),
    [("ONNX", None, "kleverserve"), ("ONNX", "triton", "triton"), ("TensorRT", None, "triton")],
)
def test_runtimes_are_chosen_by_their_images(model_format: str, runtime: str | None, chosen: str) -> None:
    assert runtime_of(served(runtime=chosen).variant.model_copy(update={"runtime": runtime}), model_format) == chosen


@pytest.mark.parametrize(
    ("model_format", "runtime", "sentence"),
    [
        ("TFLite", "triton", "for which triton has no image. Set runtime to kleverserve"),
        ("H5", None, "for which no runtime has an image. Convert it with `klever convert`"),
    ],
)
def test_a_format_without_an_image_is_refused_with_a_remedy(
    model_format: str, runtime: str | None, sentence: str
) -> None:
    with pytest.raises(UnsupportedOnClusterError) as refused:
        runtime_of(served().variant.model_copy(update={"runtime": runtime}), model_format)
    assert sentence in str(refused.value)
    with pytest.raises(UnsupportedOnClusterError):
        render(served(model_format, runtime or "kleverserve"), OPTIONS)
