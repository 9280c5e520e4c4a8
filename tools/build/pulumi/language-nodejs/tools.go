//go:build tools

// Package tools pins the Node.js language host, so that go.sum verifies it and everything it stands on.
package tools

import _ "github.com/pulumi/pulumi/sdk/v3/nodejs/cmd/pulumi-language-nodejs"
