// The plugin pulumi-resource-random for machines that cannot download the official one.
package main

import (
	"context"
	_ "embed"

	pf "github.com/pulumi/pulumi-terraform-bridge/v3/pkg/pf/tfbridge"

	"omniai.invalid/toolchain/random/info"
)

// cmd/tfgen writes both in the folder where the plugin is built, never in the repository.
var (
	//go:embed schema.json
	schema []byte
	//go:embed bridge-metadata.json
	metadata []byte
)

func main() {
	pf.Main(context.Background(), "random", info.Provider(metadata), pf.ProviderMetadata{PackageSchema: schema})
}
