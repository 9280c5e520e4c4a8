// The plugin pulumi-resource-docker for machines that cannot download the official one.
package main

import (
	_ "embed"

	"github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfbridge"

	"omniai.invalid/toolchain/docker/info"
)

// Written by cmd/tfgen in the folder where the toolchain builds, never in the repository.
//
//go:embed schema.json
var schema []byte

func main() { tfbridge.Main("docker", info.Version, info.Provider(), schema) }
