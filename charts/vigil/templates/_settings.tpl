{{/* The settings of the server: `config.trustWindow` is VIGIL_TRUST_WINDOW. */}}

{{/* A number as people write it; those of YAML are floats, and the large ones would come out as 1e+06. */}}
{{- define "vigil.text" -}}
{{- if kindIs "float64" . -}}{{- int64 . -}}{{- else -}}{{- toString . -}}{{- end -}}
{{- end -}}

{{/* A duration such as 500ms, 3s or 1.5m in milliseconds. */}}
{{- define "vigil.millis" -}}
{{- $number := regexFind "^[0-9.]+" . | float64 -}}
{{- $unit := regexFind "[a-z]+$" . -}}
{{- $millis := get (dict "ms" 1 "s" 1000 "m" 60000 "h" 3600000 "d" 86400000) $unit -}}
{{- mulf $number $millis | int64 -}}
{{- end -}}

{{/* Database connections of one coordinator: its sessions and threads, and 11 that every one has. */}}
{{- define "vigil.connectionsEach" -}}
{{- with .Values.config -}}
{{- add (int .livenessSessions) (int .requestThreads) (int .sessionThreads) 11 -}}
{{- end -}}
{{- end -}}

{{/* Of all of them in an upgrade, with the one more that it starts. */}}
{{- define "vigil.connectionsAtMost" -}}
{{- mul (add (int .Values.replicaCount) 1) (int (include "vigil.connectionsEach" .)) -}}
{{- end -}}

{{/* The variables of a coordinator, but for the database's. */}}
{{- define "vigil.settings" -}}
{{- $all := dict -}}
{{- range $name, $value := .Values.config -}}
{{- $_ := set $all (printf "VIGIL_%s" (snakecase $name | upper)) (include "vigil.text" $value) -}}
{{- end -}}
{{- with .Values -}}
{{- $_ := set $all "VIGIL_LISTEN" (printf "%s:%v" .listenHost (int .service.ports.grpc)) -}}
{{- $_ := set $all "VIGIL_HTTP_LISTEN" (printf "%s:%v" .listenHost (int .service.ports.http)) -}}
{{- $_ := set $all "VIGIL_ADVERTISE" (printf "$(POD_IP):%v" (int .service.ports.grpc)) -}}
{{- if .insecure -}}
{{- $_ := set $all "VIGIL_INSECURE" "true" -}}
{{- end -}}
{{- if .tls.existingSecret -}}
{{- $_ := set $all "VIGIL_TLS_CERT" "/etc/vigil/tls/tls.crt" -}}
{{- $_ := set $all "VIGIL_TLS_KEY" "/etc/vigil/tls/tls.key" -}}
{{- end -}}
{{- if .tls.clientCa.existingSecret -}}
{{- $_ := set $all "VIGIL_TLS_CLIENT_CA" "/etc/vigil/client-ca/ca.crt" -}}
{{- end -}}
{{- if .tokens.existingSecret -}}
{{- $_ := set $all "VIGIL_TOKENS" "/etc/vigil/tokens/tokens" -}}
{{- end -}}
{{- if .grants -}}
{{- $_ := set $all "VIGIL_GRANTS" "/etc/vigil/grants/grants" -}}
{{- end -}}
{{- end -}}
{{- toYaml $all -}}
{{- end -}}

{{/* The file of grants. */}}
{{- define "vigil.grants" -}}
# IDENTITY NAMESPACE ROLE[,ROLE...]
{{- range .Values.grants }}
{{ .identity }} {{ .namespace }} {{ join "," .roles }}
{{- end }}
{{ end -}}
