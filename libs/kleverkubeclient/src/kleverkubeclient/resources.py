"""Kinds of objects that servings consist of, and their paths in the API."""

from dataclasses import dataclass

from kleverkube.manifest import Manifest


@dataclass(frozen=True)
class Resource:
    """A kind of objects."""

    kind: str
    group: str
    """Path of the group and version, such as `apis/apps/v1`."""
    plural: str

    def path(self, namespace: str | None = None, name: str | None = None, subresource: str = "") -> str:
        """The path of all objects, of those in a namespace, or of one of them."""
        place = f"/namespaces/{namespace}" if namespace else ""
        object_path = f"/{name}" if name else ""
        return f"/{self.group}{place}/{self.plural}{object_path}{f'/{subresource}' if subresource else ''}"


DEPLOYMENTS = Resource("Deployment", "apis/apps/v1", "deployments")
SERVICES = Resource("Service", "api/v1", "services")
PODS = Resource("Pod", "api/v1", "pods")
AUTOSCALERS = Resource("HorizontalPodAutoscaler", "apis/autoscaling/v2", "horizontalpodautoscalers")
NETWORK_POLICIES = Resource("NetworkPolicy", "apis/networking.k8s.io/v1", "networkpolicies")

SELDON_DEPLOYMENTS = Resource("SeldonDeployment", "apis/machinelearning.seldon.io/v1", "seldondeployments")
JOBS = Resource("Job", "apis/batch/v1", "jobs")
CONFIG_MAPS = Resource("ConfigMap", "api/v1", "configmaps")
INFERENCE_SERVICES = Resource("InferenceService", "apis/serving.kserve.io/v1beta1", "inferenceservices")
VIRTUAL_SERVICES = Resource("VirtualService", "apis/networking.istio.io/v1", "virtualservices")
DESTINATION_RULES = Resource("DestinationRule", "apis/networking.istio.io/v1", "destinationrules")
HTTP_ROUTES = Resource("HTTPRoute", "apis/gateway.networking.k8s.io/v1", "httproutes")

MODEL_JOBS = Resource("ModelJob", "apis/kleveross.io/v1alpha1", "modeljobs")
SERVING_RESOURCES = Resource("Serving", "apis/klever.dev/v1alpha1", "servings")
EVENTS = Resource("Event", "api/v1", "events")
SECRETS = Resource("Secret", "api/v1", "secrets")

APPLIED = (
    *(DEPLOYMENTS, SERVICES, AUTOSCALERS, NETWORK_POLICIES, CONFIG_MAPS, JOBS),
    *(SELDON_DEPLOYMENTS, INFERENCE_SERVICES, VIRTUAL_SERVICES, DESTINATION_RULES, HTTP_ROUTES),
    *(MODEL_JOBS, SERVING_RESOURCES, EVENTS, SECRETS),
)
OF_KIND = {each.kind: each for each in APPLIED}


def resource_of(manifest: Manifest) -> Resource:
    """The resource of an object that is rendered."""
    return OF_KIND[manifest["kind"]]
