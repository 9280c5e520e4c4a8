//go:build tools

// Package tools only pins what is built here: the ACME authority of the tests itself is upstream's.
package tools

import (
	_ "github.com/letsencrypt/pebble/v2/cmd/pebble"
	_ "github.com/letsencrypt/pebble/v2/cmd/pebble-challtestsrv"
)
