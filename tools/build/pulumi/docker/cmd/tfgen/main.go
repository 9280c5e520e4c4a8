// Writes the provider's schema, which the plugin carries inside (../../main.go).
package main

import (
	"github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfgen"

	"omniai.invalid/toolchain/docker/info"
)

func main() { tfgen.Main("docker", info.Version, info.Provider()) }
