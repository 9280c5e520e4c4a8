//go:build tools

// Package tools only pins what is built here: the registry of the tests itself is upstream's.
package tools

import _ "github.com/distribution/distribution/v3/cmd/registry"
