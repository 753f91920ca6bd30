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
  verbs: [get, list, watch, create, delete]
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
{{- end -}}

{{/* What a runner may do: read its DatabaseMigration and say how far it is. */}}
{{- define "cofferdam.runnerRules" -}}
- apiGroups: [cofferdam.dev]
  resources: [databasemigrations]
  verbs: [get]
- apiGroups: [cofferdam.dev]
  resources: [databasemigrations/status]
  verbs: [get, patch]
{{- end -}}

{{/* Refuses what the schema cannot see. */}}
{{- define "cofferdam.validate" -}}
{{- if and (include "cofferdam.watchesAll" .) (gt (len .Values.watchNamespaces) 1) -}}
{{- fail "watchNamespaces: \"*\" is every namespace; leave the others out" -}}
{{- end -}}
{{- if and .Values.runner.namespaces (not (include "cofferdam.watchesAll" .)) -}}
{{- fail "runner.namespaces: it is for watchNamespaces [\"*\"]; a namespace that is named in watchNamespaces has its runner already" -}}
{{- end -}}
{{- end -}}
