{{- /* Settings that all services have. Arguments: root, component, port. */ -}}
{{- define "klever.commonEnv" -}}
{{- $root := .root -}}
{{- $prefix := printf "KLEVER_%s" (upper .component) -}}
{{- $service := printf "%s-%s" (include "klever.fullname" $root) .component -}}
{{- $namespace := $root.Release.Namespace -}}
- {name: HOME, value: /tmp}
- {name: KLEVER_HOME, value: /var/lib/klever}
- {name: {{ $prefix }}_HOST, value: {{ $root.Values.listenAddress | quote }}}
- {name: {{ $prefix }}_PORT, value: {{ .port | quote }}}
{{- $names := list $service (printf "%s.%s" $service $namespace) (printf "%s.%s.svc" $service $namespace) (printf "%s.%s.svc.cluster.local" $service $namespace) }}
- {name: {{ $prefix }}_NAMES, value: {{ concat $names (.names | default list) | join "," | quote }}}
- {name: {{ $prefix }}_NATS_URL, value: {{ include "klever.natsUrl" $root | quote }}}
{{- if include "klever.natsAuthentication" $root }}
- {name: {{ $prefix }}_NATS_CREDENTIALS, value: /etc/klever/nats.nk}
{{- end }}
{{- if or (eq .component "topology") (not (include "klever.natsAuthentication" $root)) }}
- {name: {{ $prefix }}_STREAM_REPLICAS, value: {{ include "klever.streamReplicas" $root | quote }}}
{{- end }}
- {name: {{ $prefix }}_TOKEN_FILE, value: /etc/klever/token}
- {name: {{ $prefix }}_LOG_LEVEL, value: {{ $root.Values.logging.level }}}
- {name: {{ $prefix }}_LOG_FORMAT, value: {{ $root.Values.logging.format }}}
{{- with $root.Values.tracing.otlpEndpoint }}
- {name: {{ $prefix }}_OTLP_ENDPOINT, value: {{ . | quote }}}
{{- end }}
{{- end -}}

{{- /* Settings of a service that pulls models. Arguments: root, component. */ -}}
{{- define "klever.pullEnv" -}}
{{- $prefix := printf "KLEVER_%s" (upper .component) -}}
- {name: {{ $prefix }}_REGISTRY_ADDRESS, value: {{ include "klever.registryAddress" .root | quote }}}
- {name: {{ $prefix }}_REGISTRY_PASSWORD_FILE, value: /etc/klever/registry-password}
- {name: {{ $prefix }}_REGISTRY_PLAIN_HTTP, value: "true"}
- {name: {{ $prefix }}_CLUSTER_PLATFORM, value: {{ .root.Values.platform | quote }}}
- {name: {{ $prefix }}_CLUSTER_REGISTRY_SECRET, value: {{ .root.Values.registry.pullSecret | quote }}}
{{- $address := include "klever.registryAddress" .root }}
- {name: {{ $prefix }}_CLUSTER_REGISTRIES, value: {{ dict $address (printf "http://%s" $address) | toJson | quote }}}
- {name: {{ $prefix }}_CLUSTER_IMAGES, value: {{ include "klever.replacedImages" .root | quote }}}
{{- include "klever.dockerEnv" .root }}
{{- end -}}

{{- define "klever.dockerEnv" -}}
{{- if .Values.registry.dockerConfigSecret }}
- {name: DOCKER_CONFIG, value: /etc/klever-docker}
{{- end -}}
{{- end -}}

{{- /*
The pod of a service. Arguments: root, component, port, env, command; optionally entries (further entries of the Secret with
credentials), docker (login to other registries), token (of the API server), data (volume of /var/lib/klever), readiness,
drain (seconds), grace (seconds), volumes, mounts.
*/ -}}
{{- define "klever.podTemplate" -}}
{{- $root := .root -}}
{{- $values := index $root.Values .component -}}
metadata:
  labels:
    {{- include "klever.labels" $root | nindent 4 }}
    app.kubernetes.io/component: {{ .component }}
    {{- with $root.Values.podLabels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  annotations:
    kubectl.kubernetes.io/default-container: {{ .component }}
    {{- with $root.Values.podAnnotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  serviceAccountName: {{ include "klever.fullname" $root }}-{{ .component }}
  automountServiceAccountToken: {{ .token | default false }}
  enableServiceLinks: false
  terminationGracePeriodSeconds: {{ .grace | default 30 }}
  securityContext:
    {{- toYaml $root.Values.podSecurityContext | nindent 4 }}
  {{- with $root.Values.image.pullSecrets }}
  imagePullSecrets:
    {{- range . }}
    - name: {{ . }}
    {{- end }}
  {{- end }}
  containers:
    - name: {{ .component }}
      image: {{ include "klever.image" (dict "root" $root "name" (.imageName | default (printf "klever-%s" .component)) "override" $values.image) }}
      imagePullPolicy: {{ $root.Values.image.pullPolicy }}
      command: {{ toJson .command }}
      env:
        {{- range .env | fromYamlArray }}
        {{- if not (hasKey $values.env .name) }}
        - {{ toYaml . | nindent 10 | trim }}
        {{- end }}
        {{- end }}
        {{- range $name, $value := $values.env }}
        - {name: {{ $name }}, value: {{ $value | quote }}}
        {{- end }}
      ports:
        - {name: http, containerPort: {{ .port }}, protocol: TCP}
      startupProbe:
        httpGet: {path: /healthz, port: http}
        periodSeconds: 2
        timeoutSeconds: 5
        failureThreshold: 60
      livenessProbe:
        httpGet: {path: /healthz, port: http}
        periodSeconds: 10
        timeoutSeconds: 5
        failureThreshold: 6
      readinessProbe:
        httpGet: {path: {{ .readiness | default "/readyz" }}, port: http}
        periodSeconds: 5
        timeoutSeconds: 5
      {{- with .drain }}
      lifecycle:
        preStop:
          sleep: {seconds: {{ . }}}
      {{- end }}
      resources:
        {{- toYaml $values.resources | nindent 8 }}
      {{- include "klever.containerSecurity" . | nindent 6 }}
      volumeMounts:
        - {name: data, mountPath: /var/lib/klever}
        - {name: tmp, mountPath: /tmp}
        - {name: credentials, mountPath: /etc/klever, readOnly: true}
        {{- if and .docker $root.Values.registry.dockerConfigSecret }}
        - {name: docker, mountPath: /etc/klever-docker, readOnly: true}
        {{- end }}
        {{- with .mounts }}
        {{- . | trim | nindent 8 }}
        {{- end }}
  volumes:
    - name: data
      {{- .data | default "emptyDir: {}" | nindent 6 }}
    - name: tmp
      emptyDir: {}
    - name: credentials
      secret:
        secretName: {{ include "klever.credentials" $root }}
        defaultMode: 0440
        items:
          {{- if include "klever.natsAuthentication" $root }}
          - {key: {{ .component }}.nk, path: nats.nk}
          {{- end }}
          - {key: token, path: token}
          {{- range .entries }}
          - {key: {{ . }}, path: {{ . }}}
          {{- end }}
    {{- if and .docker $root.Values.registry.dockerConfigSecret }}
    - name: docker
      secret:
        secretName: {{ $root.Values.registry.dockerConfigSecret }}
        defaultMode: 0440
        items:
          - {key: .dockerconfigjson, path: config.json}
    {{- end }}
    {{- with .volumes }}
    {{- . | trim | nindent 4 }}
    {{- end }}
  {{- include "klever.placement" (dict "root" $root "component" .component "values" $values) | nindent 2 }}
{{- end -}}

{{- define "klever.containerSecurity" -}}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities:
    drop: [ALL]
{{- end -}}

{{- /* Nodes of a pod. Arguments: root, component, values. */ -}}
{{- define "klever.placement" -}}
{{- with .values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- if .root.Values.topologySpread.enabled }}
topologySpreadConstraints:
  {{- range $key, $else := dict "kubernetes.io/hostname" $.root.Values.topologySpread.whenUnsatisfiable "topology.kubernetes.io/zone" "ScheduleAnyway" }}
  - maxSkew: 1
    topologyKey: {{ $key }}
    whenUnsatisfiable: {{ $else }}
    labelSelector:
      matchLabels:
        {{- include "klever.selector" $ | nindent 8 }}
  {{- end }}
{{- end }}
{{- end -}}

{{- /* ServiceAccount, Service and PodDisruptionBudget of a component. Arguments: root, component, port. */ -}}
{{- define "klever.companions" -}}
---
apiVersion: v1
kind: ServiceAccount
metadata:
  {{- include "klever.metadata" . | nindent 2 }}
automountServiceAccountToken: false
---
apiVersion: v1
kind: Service
metadata:
  {{- include "klever.metadata" . | nindent 2 }}
spec:
  type: {{ .type | default "ClusterIP" }}
  {{- with .affinity }}
  sessionAffinity: {{ . }}
  {{- end }}
  selector:
    {{- include "klever.selector" . | nindent 4 }}
  ports:
    - {name: http, port: {{ .servicePort | default .port }}, targetPort: http, protocol: TCP, appProtocol: http}
{{ include "klever.disruptionBudget" . }}
{{- end -}}

{{- /* A budget for components with several replicas: that of a single one would prevent the drain of its node. */ -}}
{{- define "klever.disruptionBudget" -}}
{{- if and .root.Values.podDisruptionBudgets.enabled (gt (int (include "klever.minReplicas" .)) 1) }}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  {{- include "klever.metadata" . | nindent 2 }}
spec:
  maxUnavailable: 1
  unhealthyPodEvictionPolicy: AlwaysAllow
  selector:
    matchLabels:
      {{- include "klever.selector" . | nindent 6 }}
{{- end }}
{{- end -}}
