{{/* Parts of pods that coordinators and hooks have in common. */}}

{{/* Of every pod. */}}
{{- define "vigil.podBasics" -}}
automountServiceAccountToken: false
# A Service of this name would otherwise set VIGIL_PORT and the like in every pod beside it.
enableServiceLinks: false
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.podSecurityContext }}
securityContext:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* Where pods run. */}}
{{- define "vigil.placement" -}}
{{- with .Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* Of every container. */}}
{{- define "vigil.containerBasics" -}}
image: {{ include "vigil.image" . | quote }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
{{- with .Values.containerSecurityContext }}
securityContext:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* The variables for the database. Argument: a list of the root context, the name of a Secret and the key in it. */}}
{{- define "vigil.databaseEnv" -}}
{{- $root := index . 0 -}}
- name: VIGIL_DATABASE
  valueFrom:
    secretKeyRef:
      name: {{ index . 1 }}
      key: {{ index . 2 }}
{{- with include "vigil.sslMode" $root }}
- name: PGSSLMODE
  value: {{ . }}
{{- end }}
{{- if $root.Values.database.ca.existingSecret }}
- name: PGSSLROOTCERT
  value: /etc/vigil/database-ca/ca.crt
{{- end }}
{{- end -}}

{{/* For connection strings that have none: libpq's own default looks at no name, whatever authorities there are. */}}
{{- define "vigil.sslMode" -}}
{{- with .Values.database -}}
{{- .sslMode | default (ternary "verify-full" "" (ne .ca.existingSecret "")) -}}
{{- end -}}
{{- end -}}

{{/* hook, initContainer or none. */}}
{{- define "vigil.migrations" -}}
{{- $secret := or .Values.database.existingSecret .Values.migrations.existingSecret -}}
{{- if and (eq .Values.migrations.mode "hook") (not $secret) -}}
initContainer
{{- else -}}
{{- .Values.migrations.mode -}}
{{- end -}}
{{- end -}}

{{- define "vigil.databaseVolume" -}}
{{- with .Values.database.ca -}}
{{- if .existingSecret -}}
{{- include "vigil.secretVolume" (list "database-ca" .existingSecret (dict .existingSecretKey "ca.crt")) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "vigil.databaseMount" -}}
{{- if .Values.database.ca.existingSecret -}}
{{- include "vigil.mount" "database-ca" -}}
{{- end -}}
{{- end -}}

{{/* One container or init container that applies the migrations. Arguments: root context, name of Secret, key in it. */}}
{{- define "vigil.migrateContainer" -}}
{{- $root := index . 0 -}}
name: migrate
{{ include "vigil.containerBasics" $root }}
args:
  - migrate
  - up
  {{- with $root.Values.migrations.grantTo }}
  - --grant-to
  - {{ . | quote }}
  {{- end }}
env:
  {{- include "vigil.databaseEnv" . | nindent 2 }}
{{- with $root.Values.migrations.resources }}
resources:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with include "vigil.databaseMount" $root }}
volumeMounts:
  {{- . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* Whole directories, without subPath, so that a Secret that changes is seen. Group-readable for fsGroup. */}}
{{- define "vigil.secretVolume" -}}
- name: {{ index . 0 }}
  secret:
    secretName: {{ index . 1 }}
    defaultMode: 0440
    items:
      {{- range $key, $path := index . 2 }}
      - key: {{ $key }}
        path: {{ $path }}
      {{- end }}
{{- end -}}

{{- define "vigil.mount" -}}
- name: {{ . }}
  mountPath: /etc/vigil/{{ . }}
  readOnly: true
{{- end -}}

{{/* The volumes of a coordinator, and where each is mounted. */}}
{{- define "vigil.volumes" -}}
{{- with .Values.tls }}
{{- if .existingSecret }}
{{ include "vigil.secretVolume" (list "tls" .existingSecret (dict .certKey "tls.crt" .keyKey "tls.key")) }}
{{- end }}
{{- if .clientCa.existingSecret }}
{{ include "vigil.secretVolume" (list "client-ca" .clientCa.existingSecret (dict .clientCa.key "ca.crt")) }}
{{- end }}
{{- end }}
{{- with .Values.tokens }}
{{- if .existingSecret }}
{{ include "vigil.secretVolume" (list "tokens" .existingSecret (dict .key "tokens")) }}
{{- end }}
{{- end }}
{{- if .Values.grants }}
- name: grants
  configMap:
    name: {{ include "vigil.fullname" . }}-grants
{{- end }}
{{ include "vigil.databaseVolume" . }}
{{- with .Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "vigil.volumeMounts" -}}
{{- if .Values.tls.existingSecret }}
{{ include "vigil.mount" "tls" }}
{{- end }}
{{- if .Values.tls.clientCa.existingSecret }}
{{ include "vigil.mount" "client-ca" }}
{{- end }}
{{- if .Values.tokens.existingSecret }}
{{ include "vigil.mount" "tokens" }}
{{- end }}
{{- if .Values.grants }}
{{ include "vigil.mount" "grants" }}
{{- end }}
{{ include "vigil.databaseMount" . }}
{{- with .Values.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* The constraints, each with a selector. */}}
{{- define "vigil.topologySpread" -}}
{{- $selector := dict "matchLabels" (include "vigil.coordinatorLabels" . | fromYaml) -}}
{{- range .Values.topologySpreadConstraints }}
{{- $filled := dict "labelSelector" $selector "matchLabelKeys" (list "pod-template-hash") }}
- {{ mergeOverwrite (ternary (dict) $filled (hasKey . "labelSelector")) . | toYaml | nindent 2 | trim }}
{{- end }}
{{- end -}}
