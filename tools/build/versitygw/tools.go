//go:build tools

// Package tools only pins what is built here: the S3 server of the tests itself is upstream's.
package tools

import _ "github.com/versity/versitygw/cmd/versitygw"
