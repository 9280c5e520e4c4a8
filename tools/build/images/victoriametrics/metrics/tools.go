//go:build tools

// Package tools only pins what is built here: the programs themselves are upstream's.
package tools

import (
	_ "github.com/VictoriaMetrics/VictoriaMetrics/app/victoria-metrics"
	_ "github.com/VictoriaMetrics/VictoriaMetrics/app/vmalert"
	_ "github.com/VictoriaMetrics/VictoriaMetrics/app/vmalert-tool"
)
