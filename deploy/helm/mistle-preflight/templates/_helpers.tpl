{{- /* A name that Kubernetes allows, of (list $ service). A Job's name has at most 63 characters. */ -}}
{{- define "mistle-preflight.name" -}}
{{- $root := index . 0 -}}
{{- $release := $root.Release.Name -}}
{{- $own := contains "preflight" $release | ternary $release (printf "%s-preflight" $release) -}}
{{- $prefix := $root.Values.nameOverride | default $own -}}
{{- if gt (len $prefix) 38 -}}
{{- fail (printf "%s has %d characters, and the names of Jobs may begin with 38: set nameOverride" $prefix (len $prefix)) -}}
{{- end -}}
{{- printf "%s-%s" $prefix (index . 1 | replace "_" "-") -}}
{{- end -}}

{{- /* Labels of the Job and its pods, of (list $ service). */ -}}
{{- define "mistle-preflight.labels" -}}
{{- $root := index . 0 -}}
app.kubernetes.io/name: mistle-preflight
app.kubernetes.io/instance: {{ $root.Release.Name }}
app.kubernetes.io/version: {{ $root.Chart.AppVersion | quote }}
app.kubernetes.io/component: {{ index . 1 | replace "_" "-" }}
{{- end -}}

{{- /* The volume with mistle.toml; "" if there is none. */ -}}
{{- define "mistle-preflight.configVolume" -}}
{{- with .Values.config -}}
{{- if and .secret .configMap -}}
{{- fail "config.secret and config.configMap: name one of the two" -}}
{{- else if .secret -}}
secret:
  secretName: {{ .secret }}
{{- else if .configMap -}}
configMap:
  name: {{ .configMap }}
{{- end -}}
{{- end -}}
{{- end -}}
