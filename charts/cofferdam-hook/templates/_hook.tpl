{{/*
The ConfigMap with the migrations, where they come from the chart, and the Job:

  {{ include "cofferdam-hook.all" (dict "root" $ "values" .Values.migrate) }}
*/}}
{{- define "cofferdam-hook.all" -}}
{{ include "cofferdam-hook.migrations" . }}
---
{{ include "cofferdam-hook.job" . }}
{{- end -}}

{{- define "cofferdam-hook.name" -}}
{{- printf "%s-%s" .root.Release.Name .values.name | trunc 52 | trimSuffix "-" -}}
{{- end -}}

{{- define "cofferdam-hook.labels" -}}
app.kubernetes.io/name: cofferdam-hook
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .values.name }}
app.kubernetes.io/part-of: {{ .root.Chart.Name }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
{{- end -}}

{{/* The version of this library: the image that it was tried with. */}}
{{- define "cofferdam-hook.version" -}}0.1.0{{- end -}}

{{- define "cofferdam-hook.image" -}}
{{- $first := splitList "/" .values.image.repository | first -}}
{{- $named := and (contains "/" .values.image.repository) (or (contains "." $first) (contains ":" $first) (eq $first "localhost")) -}}
{{- if and .values.image.registry (not $named) -}}{{ .values.image.registry }}/{{- end -}}
{{- .values.image.repository -}}
{{- if .values.image.digest -}}@{{ .values.image.digest }}
{{- else -}}:{{ default (include "cofferdam-hook.version" .) .values.image.tag }}
{{- end -}}
{{- end -}}

{{/* `true` where the migrations are files of the chart. */}}
{{- define "cofferdam-hook.fromChart" -}}
{{- $of := .values.migrations -}}
{{- if and (ne .values.command "wait") (not $of.path) (not $of.image.reference) (not $of.configMap) -}}true{{- end -}}
{{- end -}}

{{- define "cofferdam-hook.migrations" -}}
{{- if include "cofferdam-hook.fromChart" . -}}
{{- $files := .root.Files.Glob .values.migrations.glob -}}
{{- if not $files -}}
{{- fail (printf "migrations.glob: no file of chart %s is %s" .root.Chart.Name .values.migrations.glob) -}}
{{- end -}}
apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ include "cofferdam-hook.name" . }}
  namespace: {{ .root.Release.Namespace }}
  labels:
    {{- include "cofferdam-hook.labels" . | nindent 4 }}
  annotations:
    helm.sh/hook: {{ join "," .values.hooks }}
    helm.sh/hook-weight: {{ sub .values.weight 5 | quote }}
    helm.sh/hook-delete-policy: {{ .values.deletePolicy }}
data:
  {{- $files.AsConfig | nindent 2 }}
{{- end -}}
{{- end -}}

{{- define "cofferdam-hook.container" -}}
image: {{ include "cofferdam-hook.image" . | quote }}
imagePullPolicy: {{ .values.image.pullPolicy }}
terminationMessagePolicy: FallbackToLogsOnError
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities:
    drop: [ALL]
{{- with .values.resources }}
resources:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .values.database.envFromSecret }}
envFrom:
  - secretRef:
      name: {{ . }}
{{- end }}
{{- end -}}

{{- define "cofferdam-hook.url" -}}
{{- if .values.database.urlSecretRef.name }}, --url, "file:/cofferdam/database/url"{{- end -}}
{{- end -}}

{{/* What `project` and the values beside it add to the arguments of the command. */}}
{{- define "cofferdam-hook.project" -}}
{{- $of := list "install" "upgrade" "rollback" "status" -}}
{{- if .values.project -}}
{{- if not (has .values.command $of) -}}
{{- fail (printf "command: %s is not for a project: write install, upgrade, rollback or status" .values.command) -}}
{{- end -}}
{{- $status := eq .values.command "status" -}}
{{- if not (or $status .values.version) -}}
{{- fail "version: write which version the databases of the project are to have" -}}
{{- end -}}
, --project, {{ .values.project }}
{{- if not $status }}, --version, {{ .values.version | quote }}{{ end }}
{{- if and .values.fromVersion (eq .values.command "upgrade") }}, --from-version, {{ .values.fromVersion | quote }}{{ end }}
{{- with .values.databaseType }}, --database-type, {{ . }}{{ end }}
{{- with .values.environment }}, --environment, {{ . | quote }}{{ end }}
{{- else if has .values.command (list "install" "upgrade") -}}
{{- fail (printf "command: %s is for a project: write its name into project" .values.command) -}}
{{- end -}}
{{- end -}}

{{- define "cofferdam-hook.job" -}}
{{- $database := .values.database -}}
{{- if and $database.urlSecretRef.name $database.envFromSecret -}}
{{- fail "database: give urlSecretRef.name or envFromSecret, not both" -}}
{{- end -}}
{{- if not (or $database.urlSecretRef.name $database.envFromSecret) -}}
{{- fail "database: give urlSecretRef.name or envFromSecret, the Secret that says where the database is" -}}
{{- end -}}
{{- $works := ne .values.command "wait" -}}
{{- $mounted := and $works (not .values.migrations.path) -}}
apiVersion: batch/v1
kind: Job
metadata:
  name: {{ include "cofferdam-hook.name" . }}
  namespace: {{ .root.Release.Namespace }}
  labels:
    {{- include "cofferdam-hook.labels" . | nindent 4 }}
  annotations:
    helm.sh/hook: {{ join "," .values.hooks }}
    helm.sh/hook-weight: {{ .values.weight | quote }}
    helm.sh/hook-delete-policy: {{ .values.deletePolicy }}
spec:
  backoffLimit: {{ .values.backoffLimit }}
  activeDeadlineSeconds: {{ .values.activeDeadlineSeconds }}
  {{- if $works }}
  podFailurePolicy:
    rules:
      # Wrong usage, lint errors, failed and taken back, a person is needed, waiting for a yes, not what the history
      # says: another try ends alike. A Pod that was killed goes on where it was.
      - action: FailJob
        onExitCodes:
          containerName: {{ .values.command }}
          operator: In
          values: [2, 4, 6, 7, 8, 9]
  {{- end }}
  template:
    metadata:
      labels:
        {{- include "cofferdam-hook.labels" . | nindent 8 }}
        {{- with .values.podLabels }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      {{- with .values.podAnnotations }}
      annotations:
        {{- toYaml . | nindent 8 }}
      {{- end }}
    spec:
      restartPolicy: Never
      {{- with .values.serviceAccountName }}
      serviceAccountName: {{ . }}
      {{- end }}
      automountServiceAccountToken: false
      enableServiceLinks: false
      {{- with .values.imagePullSecrets }}
      imagePullSecrets:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      securityContext:
        runAsNonRoot: true
        runAsUser: 65532
        runAsGroup: 65532
        # So that the account may read what is mounted.
        fsGroup: 65532
        seccompProfile:
          type: RuntimeDefault
      {{- $mounts := list }}
      {{- if $database.urlSecretRef.name }}
      {{- $mounts = append $mounts (dict "name" "database" "mountPath" "/cofferdam/database" "readOnly" true) }}
      {{- end }}
      {{- if $works }}
      initContainers:
        - name: wait
          args: [wait, --timeout, {{ .values.waitTimeout }}{{ include "cofferdam-hook.url" . }}]
          {{- include "cofferdam-hook.container" . | nindent 10 }}
          {{- with $mounts }}
          volumeMounts:
            {{- toYaml . | nindent 12 }}
          {{- end }}
      {{- end }}
      {{- if $mounted }}
      {{- $source := dict "name" "migrations" "mountPath" "/cofferdam/migrations" "readOnly" true }}
      {{- if .values.migrations.image.reference }}
      {{- $source = set $source "subPath" (trimPrefix "/" .values.migrations.image.dir) }}
      {{- end }}
      {{- $mounts = append $mounts $source }}
      {{- end }}
      containers:
        - name: {{ .values.command }}
          {{- if $works }}
          args: [{{ .values.command }}, --dir, {{ .values.migrations.path | default "/cofferdam/migrations" }}{{ include "cofferdam-hook.url" . }}{{ include "cofferdam-hook.project" . }}{{ range .values.args }}, {{ . | quote }}{{ end }}]
          {{- else }}
          args: [wait, --timeout, {{ .values.waitTimeout }}{{ include "cofferdam-hook.url" . }}{{ range .values.args }}, {{ . | quote }}{{ end }}]
          {{- end }}
          {{- include "cofferdam-hook.container" . | nindent 10 }}
          {{- with $mounts }}
          volumeMounts:
            {{- toYaml . | nindent 12 }}
          {{- end }}
      {{- if $mounts }}
      volumes:
        {{- if $database.urlSecretRef.name }}
        - name: database
          secret:
            secretName: {{ $database.urlSecretRef.name }}
            # 0440, as JSON knows it.
            defaultMode: 288
            items:
              - key: {{ $database.urlSecretRef.key }}
                path: url
        {{- end }}
        {{- if $mounted }}
        - name: migrations
          {{- if .values.migrations.image.reference }}
          image:
            reference: {{ .values.migrations.image.reference | quote }}
          {{- else }}
          configMap:
            name: {{ .values.migrations.configMap | default (include "cofferdam-hook.name" .) }}
          {{- end }}
        {{- end }}
      {{- end }}
      {{- with .values.nodeSelector }}
      nodeSelector:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with .values.tolerations }}
      tolerations:
        {{- toYaml . | nindent 8 }}
      {{- end }}
{{- end -}}
