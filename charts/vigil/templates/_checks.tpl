{{/* Values that do not go together. Each mistake is one sentence that says what to do. */}}

{{- define "vigil.checks" -}}
{{- include "vigil.checkDatabase" . -}}
{{- include "vigil.checkAccess" . -}}
{{- include "vigil.checkTiming" . -}}
{{- include "vigil.checkStopping" . -}}
{{- include "vigil.checkObjects" . -}}
{{- end -}}

{{- define "vigil.checkDatabase" -}}
{{- with .Values.database -}}
{{- if and .url .existingSecret -}}
{{- fail "database.url and database.existingSecret are both set: keep database.existingSecret, and take database.url away." -}}
{{- end -}}
{{- if not (or .url .existingSecret) -}}
{{- fail "No database is set: name a Secret with the connection string of a PostgreSQL 14 or later in database.existingSecret or, for a trial, give the string itself in database.url." -}}
{{- end -}}
{{- if and .ca.existingSecret .sslMode (not (hasPrefix "verify-" .sslMode)) -}}
{{- fail (printf "database.ca.existingSecret is set, but with database.sslMode %s nobody would look whose certificate the database shows: set it to verify-full, or leave it empty." .sslMode) -}}
{{- end -}}
{{- end -}}
{{- if and .Values.migrations.grantTo (not .Values.migrations.existingSecret) -}}
{{- fail "migrations.grantTo is set without migrations.existingSecret: the coordinators' own role would migrate, and own what it is given rights in. Name the Secret of a role that owns the schema, or take grantTo away." -}}
{{- end -}}
{{- if and .Values.migrations.existingSecret (eq .Values.migrations.mode "none") -}}
{{- fail "migrations.existingSecret is set, but migrations.mode is none, so nothing would use it: set the mode to hook or initContainer." -}}
{{- end -}}
{{- end -}}

{{- define "vigil.checkAccess" -}}
{{- with .Values -}}
{{- if .insecure -}}
{{- if or .tls.existingSecret .tls.clientCa.existingSecret -}}
{{- fail "insecure is set together with tls: take insecure away to serve TLS, or the values of tls to serve without it." -}}
{{- end -}}
{{- if or .tokens.existingSecret .grants -}}
{{- fail "insecure is set together with tokens or grants, which would not be looked at: take insecure away, or tokens and grants." -}}
{{- end -}}
{{- else -}}
{{- if and .tokens.existingSecret (not .grants) -}}
{{- fail "tokens are set without grants: they say who somebody is, and nobody may do anything before grants says what." -}}
{{- end -}}
{{- if not (and .tls.existingSecret .grants) -}}
{{- fail "Callers would be neither encrypted nor known: set tls.existingSecret and grants; or set insecure to true, where whoever reaches the port may do everything." -}}
{{- end -}}
{{- if not (or .tokens.existingSecret .tls.clientCa.existingSecret) -}}
{{- fail "grants are set, but no caller could show who it is: set tokens.existingSecret or tls.clientCa.existingSecret." -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- $size := include "vigil.grants" . | len -}}
{{- if gt $size 1048576 -}}
{{- fail (printf "grants make a file of %d bytes, and neither a ConfigMap nor a coordinator takes more than 1048576: give one identity to several callers." $size) -}}
{{- end -}}
{{- if .Values.helmTest.enabled -}}
{{- include "vigil.checkHelmTest" . -}}
{{- end -}}
{{- end -}}

{{/* The pod of helm test would not be let in, and that is better said before. */}}
{{- define "vigil.checkHelmTest" -}}
{{- with .Values -}}
{{- if and .insecure (or .helmTest.token.existingSecret .helmTest.clientCertSecret) -}}
{{- fail "insecure is set together with an identity of helmTest, which would not be looked at: take helmTest.token.existingSecret and helmTest.clientCertSecret away, or insecure." -}}
{{- end -}}
{{- if and .helmTest.token.existingSecret (not (or .insecure .tokens.existingSecret)) -}}
{{- fail "helmTest.token.existingSecret is set, but there are no tokens that it could be one of: set helmTest.clientCertSecret instead, or tokens.existingSecret too." -}}
{{- end -}}
{{- if and .helmTest.clientCertSecret (not (or .insecure .tls.clientCa.existingSecret)) -}}
{{- fail "helmTest.clientCertSecret is set, but nobody asks callers for certificates: set helmTest.token.existingSecret instead, or tls.clientCa.existingSecret too." -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* The rules of the server itself, so that they fail before a pod does. */}}
{{- define "vigil.checkTiming" -}}
{{- $config := .Values.config -}}
{{- $millis := dict -}}
{{- range $name, $value := $config -}}
{{- if and (kindIs "string" $value) (regexMatch "^[0-9.]+(ms|s|m|h|d)$" $value) -}}
{{- $_ := set $millis $name (include "vigil.millis" $value | int64) -}}
{{- if le (get $millis $name) 0 -}}
{{- fail (printf "config.%s is %s: a duration has to be longer than nothing." $name $value) -}}
{{- end -}}
{{- if and (gt (get $millis $name) 86400000) (ne $name "retentionAge") -}}
{{- fail (printf "config.%s is %s: it may be 24h at most." $name $value) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if or (lt $millis.defaultLease 500) (gt $millis.defaultLease 60000) -}}
{{- fail (printf "config.defaultLease is %s: a lease lasts 500ms to 60s." $config.defaultLease) -}}
{{- end -}}
{{- if lt $millis.trustWindow $millis.databaseDeadline -}}
{{- fail (printf "config.trustWindow is %s and config.databaseDeadline is %s: one slow transaction would stop every lease; raise the trust window or lower the deadline." $config.trustWindow $config.databaseDeadline) -}}
{{- end -}}
{{- if lt $millis.trustWindow (mul 3 $millis.pingInterval) -}}
{{- fail (printf "config.trustWindow is %s, less than three times config.pingInterval, %s: one late ping would stop every lease; raise the trust window or ping more often." $config.trustWindow $config.pingInterval) -}}
{{- end -}}
{{- if lt $millis.idleSessionTimeout (mul 3 $millis.pingInterval) -}}
{{- fail (printf "config.idleSessionTimeout is %s, less than three times config.pingInterval, %s: one late ping would cost every lock; raise the timeout or ping more often." $config.idleSessionTimeout $config.pingInterval) -}}
{{- end -}}
{{- if lt $millis.fastGrace (mul 2 $millis.probeInterval) -}}
{{- fail (printf "config.fastGrace is %s, less than twice config.probeInterval, %s: no suspicion could be refuted in time; raise the grace or probe more often." $config.fastGrace $config.probeInterval) -}}
{{- end -}}
{{- if or (lt $millis.recoveryInterval 50) (gt $millis.recoveryInterval 3600000) -}}
{{- fail (printf "config.recoveryInterval is %s: it may be 50ms to 1h." $config.recoveryInterval) -}}
{{- end -}}
{{- if or (lt $millis.retentionAge 60000) (gt $millis.retentionAge 315360000000) -}}
{{- fail (printf "config.retentionAge is %s: it may be 1m to 3650d." $config.retentionAge) -}}
{{- end -}}
{{- end -}}

{{/* A coordinator that stops without its database: beside the drain, four transactions may take as long as they can, one
after the other (a renewal on its way, the farewell, a caller's, one of the rest), and what is left takes 2 s. */}}
{{- define "vigil.checkStopping" -}}
{{- with .Values -}}
{{- $delay := include "vigil.millis" .preStopDelay | int64 -}}
{{- $drain := include "vigil.millis" .config.drainTimeout | int64 -}}
{{- $deadline := include "vigil.millis" .config.databaseDeadline | int64 -}}
{{- $least := divf (add $delay $drain (mul 4 $deadline) 2000) 1000 | ceil | int64 -}}
{{- if lt (int64 .terminationGracePeriodSeconds) $least -}}
{{- fail (printf "terminationGracePeriodSeconds is %d: the kubelet would kill a coordinator that has not left yet; preStopDelay %s + config.drainTimeout %s + 4 x config.databaseDeadline %s + 2 s make %d." (int64 .terminationGracePeriodSeconds) .preStopDelay .config.drainTimeout .config.databaseDeadline $least) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "vigil.checkObjects" -}}
{{- $name := include "vigil.fullname" . -}}
{{- if not (regexMatch "^[a-z][-a-z0-9]*$" $name) -}}
{{- fail (printf "The name of the release makes the name %s for its Services, which has to begin with a letter and may hold letters, digits and - only: set fullnameOverride." $name) -}}
{{- end -}}
{{- with .Values -}}
{{- if not .image.repository -}}
{{- fail "No image is set: build it from the Dockerfile of Vigil's sources, push it to your registry, and name it in image.repository." -}}
{{- end -}}
{{- if and (eq .podDisruptionBudget.create "always") (lt (int .replicaCount) 2) -}}
{{- fail "podDisruptionBudget.create is always with one coordinator: no machine could be drained; set replicaCount to 2 or more, or create to auto." -}}
{{- end -}}
{{- if and (gt (int .replicaCount) 1) (ne .podDisruptionBudget.create "never") (ge (int .podDisruptionBudget.maxUnavailable) (int .replicaCount)) -}}
{{- fail (printf "podDisruptionBudget.maxUnavailable is %d of %d coordinators: all could be evicted at once; lower it, or set create to never." (int .podDisruptionBudget.maxUnavailable) (int .replicaCount)) -}}
{{- end -}}
{{- if eq (int .service.ports.grpc) (int .service.ports.http) -}}
{{- fail (printf "service.ports.grpc and service.ports.http are both %d: give each a port of its own." (int .service.ports.grpc)) -}}
{{- end -}}
{{- if and .serviceMonitor.enabled (gt (include "vigil.millis" .serviceMonitor.scrapeTimeout | int64) (include "vigil.millis" .serviceMonitor.interval | int64)) -}}
{{- fail (printf "serviceMonitor.scrapeTimeout is %s, longer than serviceMonitor.interval, %s: Prometheus would refuse it; lower the timeout." .serviceMonitor.scrapeTimeout .serviceMonitor.interval) -}}
{{- end -}}
{{- end -}}
{{- $own := include "vigil.settings" . | fromYaml -}}
{{- range .Values.extraEnv -}}
{{- if has .name (list "PGSSLMODE" "PGSSLROOTCERT") -}}
{{- fail (printf "extraEnv sets %s, which the migrations would not have: use database.sslMode or database.ca." .name) -}}
{{- end -}}
{{- if or (hasKey $own .name) (has .name (list "VIGIL_DATABASE" "POD_IP")) -}}
{{- fail (printf "extraEnv sets %s, which the chart sets itself: use the value that it is made from." .name) -}}
{{- end -}}
{{- end -}}
{{- end -}}
