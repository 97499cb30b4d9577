{{/* Names and labels. */}}

{{- define "vigil.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 50 | trimSuffix "-" -}}
{{- end -}}

{{/* At most 50 letters, so that there is room for what the names of objects end in. */}}
{{- define "vigil.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 50 | trimSuffix "-" -}}
{{- else if contains (include "vigil.name" .) .Release.Name -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "vigil.name" .) | trunc 50 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "vigil.headlessName" -}}
{{- include "vigil.fullname" . }}-headless
{{- end -}}

{{- define "vigil.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "vigil.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "vigil.databaseSecretName" -}}
{{- default (printf "%s-database" (include "vigil.fullname" .)) .Values.database.existingSecret -}}
{{- end -}}

{{- define "vigil.databaseSecretKey" -}}
{{- ternary .Values.database.existingSecretKey "url" (ne .Values.database.existingSecret "") -}}
{{- end -}}

{{/* What pods are found by. It cannot change in the life of a release, so it holds no version and no value but names. */}}
{{- define "vigil.selectorLabels" -}}
app.kubernetes.io/name: {{ include "vigil.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{/* The coordinators' own, without the pods of hooks. */}}
{{- define "vigil.coordinatorLabels" -}}
{{ include "vigil.selectorLabels" . }}
app.kubernetes.io/component: coordinator
{{- end -}}

{{/* Labels of an object. Argument: a list of the root context and the component. */}}
{{- define "vigil.labels" -}}
{{- $root := index . 0 -}}
{{- $own := dict
      "helm.sh/chart" (printf "%s-%s" $root.Chart.Name ($root.Chart.Version | replace "+" "_"))
      "app.kubernetes.io/version" ($root.Chart.AppVersion | trunc 63)
      "app.kubernetes.io/managed-by" $root.Release.Service
      "app.kubernetes.io/component" (index . 1) -}}
{{- $selector := include "vigil.selectorLabels" $root | fromYaml -}}
{{- mergeOverwrite (dict) $root.Values.commonLabels $own $selector | toYaml -}}
{{- end -}}

{{/* The annotations of an object, with their key, or nothing. Argument: a list of the root context and annotations. */}}
{{- define "vigil.annotations" -}}
{{- $root := index . 0 -}}
{{- with mergeOverwrite (dict) $root.Values.commonAnnotations (index . 1) -}}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end -}}
{{- end -}}

{{- define "vigil.image" -}}
{{- with .Values.image -}}
{{- if .digest -}}
{{- printf "%s@%s" .repository .digest -}}
{{- else -}}
{{- printf "%s:%s" .repository (default $.Chart.AppVersion .tag) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* What a client of these coordinators is given: two names for them, so that a pod that leaves one finds another. */}}
{{- define "vigil.addresses" -}}
{{- $domain := printf "%s.svc:%v" .Release.Namespace (int .Values.service.ports.grpc) -}}
{{- printf "%s.%s,%s.%s" (include "vigil.fullname" .) $domain (include "vigil.headlessName" .) $domain -}}
{{- end -}}
