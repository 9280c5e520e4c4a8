//go:build tools

// Package tools only pins what is built here: the programs themselves are upstream's.
package tools

import (
	_ "github.com/VictoriaMetrics/VictoriaLogs/app/victoria-logs"
	_ "github.com/VictoriaMetrics/VictoriaLogs/app/vlagent"
)
