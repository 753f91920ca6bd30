{{- define "cofferdam.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 52 | trimSuffix "-" -}}
{{- end -}}

{{/* At most 52 characters: the longest ending that is put behind it is `-dashboards`, and a Service has 63. */}}
{{- define "cofferdam.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 52 | trimSuffix "-" -}}
{{- else -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 52 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 52 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "cofferdam.selectorLabels" -}}
app.kubernetes.io/name: {{ include "cofferdam.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "cofferdam.labels" -}}
{{ include "cofferdam.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: cofferdam
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{/* A repository whose first part has a point or a colon names its registry itself, as everywhere with images. */}}
{{- define "cofferdam.image" -}}
{{- $first := splitList "/" .Values.image.repository | first -}}
{{- $named := and (contains "/" .Values.image.repository) (or (contains "." $first) (contains ":" $first) (eq $first "localhost")) -}}
{{- if and .Values.image.registry (not $named) -}}{{ .Values.image.registry }}/{{- end -}}
{{- .Values.image.repository -}}
{{- if .Values.image.digest -}}@{{ .Values.image.digest }}
{{- else -}}:{{ default .Chart.AppVersion .Values.image.tag }}
{{- end -}}
{{- end -}}

{{- define "cofferdam.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "cofferdam.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "cofferdam.runnerServiceAccount" -}}
{{- default (printf "%s-runner" (include "cofferdam.fullname" .)) .Values.runner.serviceAccount.name -}}
{{- end -}}

{{- define "cofferdam.lease" -}}
{{- default (printf "%s-leader" (include "cofferdam.fullname" .)) .Values.leaderElection.leaseName -}}
{{- end -}}

{{/* `true`, or nothing. */}}
{{- define "cofferdam.watchesAll" -}}
{{- if has "*" .Values.watchNamespaces -}}true{{- end -}}
{{- end -}}

{{/* The namespaces that are watched, as JSON; none where all are. */}}
{{- define "cofferdam.watched" -}}
{{- if include "cofferdam.watchesAll" . -}}[]
{{- else -}}{{ .Values.watchNamespaces | default (list .Release.Namespace) | uniq | toJson }}
{{- end -}}
{{- end -}}

{{/* The namespaces that have a runner, as JSON. */}}
{{- define "cofferdam.runnerNamespaces" -}}
{{- if include "cofferdam.watchesAll" . -}}{{ .Values.runner.namespaces | uniq | toJson }}
{{- else -}}{{ include "cofferdam.watched" . }}
{{- end -}}
{{- end -}}

{{/* What the operator may do with the objects of a namespace. Secrets and ConfigMaps are not among them: the kubelet
mounts them into the runner's Pod. */}}
{{- define "cofferdam.operatorRules" -}}
- apiGroups: [cofferdam.dev]
  resources: [databasemigrations, migrationapprovals]
  verbs: [get, list, watch]
- apiGroups: [cofferdam.dev]
  resources: [databasemigrations/status, migrationapprovals/status]
  verbs: [get, patch]
- apiGroups: [batch]
  resources: [jobs]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [""]
  resources: [pods]
  verbs: [get, list, watch]
# Why a Pod is not there or does not start: the words of the kubelet and of the admission.
- apiGroups: [""]
  resources: [events]
  verbs: [list]
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create, patch]
# What spec.checks asks for: values of metrics, in the same namespace. One is got by its object, the other listed by its
# name.
- apiGroups: [custom.metrics.k8s.io]
  resources: ["*"]
  verbs: [get]
- apiGroups: [external.metrics.k8s.io]
  resources: ["*"]
  verbs: [list]
{{- end -}}

{{/* What a runner may do: read its DatabaseMigration and say how far it is. */}}
{{- define "cofferdam.runnerRules" -}}
- apiGroups: [cofferdam.dev]
  resources: [databasemigrations]
  verbs: [get]
- apiGroups: [cofferdam.dev]
  resources: [databasemigrations/status]
  verbs: [get, patch]
{{- if .Values.runner.podMetrics }}
# What serverPods of spec.validation.performanceThresholds asks for: how busy the Pods of the database server are, and
# what they may use.
- apiGroups: [""]
  resources: [pods]
  verbs: [list]
- apiGroups: [metrics.k8s.io]
  resources: [pods]
  verbs: [list]
{{- end }}
{{- end -}}

{{/* The webhook's names. Those of the whole cluster have the namespace before them: there may be several releases. */}}
{{- define "cofferdam.webhook" -}}
{{- printf "%s-webhook" (include "cofferdam.fullname" .) -}}
{{- end -}}

{{- define "cofferdam.webhookOfCluster" -}}
{{- printf "%s-%s" .Release.Namespace (include "cofferdam.webhook" .) -}}
{{- end -}}

{{- define "cofferdam.webhookSecret" -}}
{{- default (printf "%s-tls" (include "cofferdam.webhook" .)) .Values.webhook.certificate.existingSecret -}}
{{- end -}}

{{/* `true` where the operator makes the certificate, or nothing. */}}
{{- define "cofferdam.webhookSelf" -}}
{{- if not (or .Values.webhook.certificate.existingSecret .Values.webhook.certificate.certManager.enabled) -}}true{{- end -}}
{{- end -}}

{{/* What both configurations have in common. A change of metadata is not asked about: without an operator that answers,
an object must still lose its finalizers. */}}
{{- define "cofferdam.webhookCommon" -}}
admissionReviewVersions: [v1]
failurePolicy: Fail
sideEffects: None
matchPolicy: Equivalent
timeoutSeconds: {{ .Values.webhook.timeoutSeconds }}
namespaceSelector:
  {{- with .Values.webhook.namespaceSelector.matchLabels }}
  matchLabels:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  matchExpressions:
    - key: kubernetes.io/metadata.name
      {{- if include "cofferdam.watchesAll" . }}
      operator: NotIn
      values: [kube-system]
      {{- else }}
      operator: In
      values: [{{ include "cofferdam.watched" . | fromJsonArray | join ", " }}]
      {{- end }}
    {{- with .Values.webhook.namespaceSelector.matchExpressions }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
matchConditions:
  - name: made-or-its-spec-changed
    expression: >-
      request.operation == 'CREATE' || (object.spec != oldObject.spec && !has(object.metadata.deletionTimestamp))
{{- end -}}

{{- define "cofferdam.webhookClient" -}}
{{- with .root.Values.webhook.certificate.caBundle }}
caBundle: {{ b64enc . }}
{{- end }}
service:
  namespace: {{ .root.Release.Namespace }}
  name: {{ include "cofferdam.webhook" .root }}
  port: 443
  path: {{ .path }}
{{- end -}}

{{- define "cofferdam.webhookAnnotations" -}}
{{- if .Values.webhook.certificate.certManager.enabled -}}
cert-manager.io/inject-ca-from: {{ .Release.Namespace }}/{{ include "cofferdam.webhook" . }}
{{- end -}}
{{- end -}}

{{/* The mail server of notifications, as the operator reads it. */}}
{{- define "cofferdam.smtp" -}}
{{- $smtp := dict "host" .Values.notifications.smtp.host "from" .Values.notifications.smtp.from "tls" .Values.notifications.smtp.tls -}}
{{- with .Values.notifications.smtp.port }}{{ $_ := set $smtp "port" (int .) }}{{ end -}}
{{- with .Values.notifications.smtp.existingSecret }}{{ $_ := set $smtp "existingSecret" . }}{{ end -}}
{{- toJson $smtp -}}
{{- end -}}

{{/* Refuses what the schema cannot see. */}}
{{- define "cofferdam.validate" -}}
{{- if and .Values.notifications.smtp.host (not .Values.notifications.smtp.from) -}}
{{- fail "notifications.smtp.from: mails need a sender" -}}
{{- end -}}
{{- if and (include "cofferdam.watchesAll" .) (gt (len .Values.watchNamespaces) 1) -}}
{{- fail "watchNamespaces: \"*\" is every namespace; leave the others out" -}}
{{- end -}}
{{- if and .Values.runner.namespaces (not (include "cofferdam.watchesAll" .)) -}}
{{- fail "runner.namespaces: it is for watchNamespaces [\"*\"]; a namespace that is named in watchNamespaces has its runner already" -}}
{{- end -}}
{{- if and .Values.webhook.certificate.existingSecret .Values.webhook.certificate.certManager.enabled -}}
{{- fail "webhook.certificate: give existingSecret or certManager, not both" -}}
{{- end -}}
{{- if and .Values.webhook.certificate.caBundle (not .Values.webhook.certificate.existingSecret) -}}
{{- fail "webhook.certificate.caBundle: it goes with existingSecret; the other certificates bring their own" -}}
{{- end -}}
{{- end -}}
