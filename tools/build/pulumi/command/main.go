// The plugin pulumi-resource-command for machines that cannot download the official one. It has local.Command and
// remote.Command, as documented for @pulumi/command.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/pulumi/pulumi-go-provider/infer"

	"omniai.invalid/toolchain/command/local"
	"omniai.invalid/toolchain/command/remote"
)

// version is the official version that this plugin stands in for. Comparisons ignore what follows the plus sign.
const version = "1.2.1+standin"

func main() {
	provider, err := infer.NewProviderBuilder().
		WithDisplayName("command").
		WithDescription("Stands in for @pulumi/command where its plugin cannot be downloaded").
		WithResources(infer.Resource(&local.Command{}), infer.Resource(&remote.Command{})).
		Build()
	if err == nil {
		err = provider.Run(context.Background(), "command", version)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
