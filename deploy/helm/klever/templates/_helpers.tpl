{{- define "klever.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- /* Labels of all objects. Argument: the root. */ -}}
{{- define "klever.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/part-of: klever
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/name: {{ default .Chart.Name .Values.nameOverride }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- /* Labels by which the pods of a component are selected. Arguments: root, component. */ -}}
{{- define "klever.selector" -}}
app.kubernetes.io/name: {{ default .root.Chart.Name .root.Values.nameOverride }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end -}}

{{- /* metadata of an object. Arguments: root, component, and optionally name, namespace. */ -}}
{{- define "klever.metadata" -}}
name: {{ .name | default (printf "%s-%s" (include "klever.fullname" .root) .component) }}
namespace: {{ .namespace | default .root.Release.Namespace }}
labels:
  {{- include "klever.labels" .root | nindent 2 }}
  app.kubernetes.io/component: {{ .component }}
{{- end -}}

{{- /* An image of this release. Arguments: root, name, override. */ -}}
{{- define "klever.image" -}}
{{- .override | default (printf "%s/%s:%s" (include "klever.repository" .root) .name (include "klever.tag" .root)) -}}
{{- end -}}

{{- define "klever.tag" -}}
{{- .Values.image.tag | default .Chart.AppVersion -}}
{{- end -}}

{{- define "klever.repository" -}}
{{- list .Values.image.registry .Values.image.repository | compact | join "/" -}}
{{- end -}}

{{- define "klever.credentials" -}}
{{- .Values.credentials.secretName | default (printf "%s-credentials" (include "klever.fullname" .)) -}}
{{- end -}}

{{- /* host:port of the platform's own registry, as in documents. */ -}}
{{- define "klever.registryAddress" -}}
{{- printf "%s-registry.%s.svc:5000" (include "klever.fullname" .) .Release.Namespace -}}
{{- end -}}

{{- define "klever.registryUrl" -}}
{{- .Values.registry.url | default (printf "http://%s" (include "klever.registryAddress" .)) | trimSuffix "/" -}}
{{- end -}}

{{- define "klever.gatewayUrl" -}}
{{- $service := printf "http://%s-gateway.%s.svc:%v" (include "klever.fullname" .) .Release.Namespace .Values.gateway.service.port -}}
{{- .Values.gateway.url | default $service | trimSuffix "/" -}}
{{- end -}}

{{- define "klever.natsUrl" -}}
{{- if .Values.nats.enabled -}}
nats://{{ include "klever.fullname" . }}-nats.{{ .Release.Namespace }}.svc:4222
{{- else -}}
{{- .Values.nats.url -}}
{{- end -}}
{{- end -}}

{{- /* "true" if the services log in to NATS. */ -}}
{{- define "klever.natsAuthentication" -}}
{{- if or .Values.nats.enabled .Values.nats.authentication }}true{{ end -}}
{{- end -}}

{{- define "klever.streamReplicas" -}}
{{- if .Values.nats.enabled }}{{ min 3 (int .Values.nats.replicas) }}{{ else }}{{ int .Values.nats.streamReplicas }}{{ end -}}
{{- end -}}

{{- /* Namespace and name of the Gateway object. */ -}}
{{- define "klever.gatewayObject" -}}
{{- with .Values.traffic.gateway -}}
{{- if .create }}{{ $.Release.Namespace }}{{ else }}{{ .namespace }}{{ end }}/{{ .name }}
{{- end -}}
{{- end -}}

{{- define "klever.jobsNamespace" -}}
{{- .Values.jobrunner.jobs.namespace | default .Release.Namespace -}}
{{- end -}}

{{- /* Images of pods that replace those that the services name, as JSON. */ -}}
{{- define "klever.replacedImages" -}}
{{- $images := dict -}}
{{- range $named := (.Files.Get "files/images.yaml" | fromYaml).pods -}}
{{- $replacement := include "klever.image" (dict "root" $ "name" (base $named)) -}}
{{- if ne $replacement (printf "%s:%s" $named $.Chart.AppVersion) -}}
{{- $_ := set $images $named $replacement -}}
{{- end -}}
{{- end -}}
{{- with .Values.jobrunner.jobs.image -}}
{{- $_ := set $images "ghcr.io/kleveross/klever-jobs" . -}}
{{- end -}}
{{- mustMergeOverwrite $images .Values.images | toJson -}}
{{- end -}}

{{- /* Replicas of a component that exist in any case. Arguments: root, component. */ -}}
{{- define "klever.minReplicas" -}}
{{- $values := index .root.Values .component -}}
{{- if and (eq .component "gateway") $values.autoscaling.enabled }}{{ $values.autoscaling.minReplicas }}{{ else }}{{ $values.replicas }}{{ end -}}
{{- end -}}
