{{/* Of every object. */}}
{{- define "clusternet.labels" -}}
app.kubernetes.io/name: clusternet
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{/* By digest, if there is one. */}}
{{- define "clusternet.image" -}}
{{- with .Values.image -}}
{{- if .digest -}}
{{ .repository }}@{{ .digest }}
{{- else -}}
{{ .repository }}:{{ .tag | default $.Chart.AppVersion }}
{{- end -}}
{{- end -}}
{{- end }}

{{/* Where an agent tells of its health; empty: nowhere, and nobody asks. */}}
{{- define "clusternet.httpAddress" -}}
{{- if hasKey .Values.options "http-address" -}}
{{ index .Values.options "http-address" }}
{{- else -}}
127.0.0.1:7839
{{- end -}}
{{- end }}

{{/* Where Prometheus reaches an agent; empty: nowhere. */}}
{{- define "clusternet.metricsAddress" -}}
{{- if hasKey .Values.options "metrics-bind-address" -}}
{{ index .Values.options "metrics-bind-address" }}
{{- else if .Values.podMonitor.enabled -}}
0.0.0.0:7840
{{- end -}}
{{- end }}
