// Writes the provider's schema and metadata, which ../../main.go embeds in the plugin.
package main

import (
	"github.com/pulumi/pulumi-terraform-bridge/v3/pkg/pf/tfgen"

	"omniai.invalid/toolchain/random/info"
)

func main() { tfgen.Main("random", info.Provider([]byte("{}"))) }
