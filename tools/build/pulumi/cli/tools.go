//go:build tools

// Package tools pins the Pulumi CLI, so that go.sum verifies it and everything it stands on.
package tools

import _ "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi"
