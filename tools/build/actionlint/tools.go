//go:build tools

// Package tools only pins what is built here: the linter itself is upstream's.
package tools

import _ "github.com/rhysd/actionlint/cmd/actionlint"
