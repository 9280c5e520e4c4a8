// Package info says how the upstream random provider looks to Pulumi: the same tokens and property names as the
// official provider of the npm package @pulumi/random.
package info

import (
	"context"
	"errors"

	pf "github.com/pulumi/pulumi-terraform-bridge/v3/pkg/pf/tfbridge"
	"github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfbridge"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/tokens"
	"github.com/terraform-providers/terraform-provider-random/shim"
)

// Version: what it stands in for, and that it does. Build metadata does not count when versions are compared.
const Version = "4.21.2+standin"

var resources = map[string]string{
	"random_bytes":    "RandomBytes",
	"random_id":       "RandomId",
	"random_integer":  "RandomInteger",
	"random_password": "RandomPassword",
	"random_pet":      "RandomPet",
	"random_shuffle":  "RandomShuffle",
	"random_string":   "RandomString",
	"random_uuid":     "RandomUuid",
	"random_uuid4":    "RandomUuid4",
	"random_uuid7":    "RandomUuid7",
}

// Provider describes the bridged provider. The metadata is written by cmd/tfgen; empty while it runs.
func Provider(metadata []byte) tfbridge.ProviderInfo {
	provider := tfbridge.ProviderInfo{
		P:            pf.ShimProvider(shim.NewProvider()),
		Name:         "random",
		Version:      Version,
		Description:  "Stands in for @pulumi/random where its plugin cannot be downloaded",
		MetadataInfo: tfbridge.NewProviderMetadata(metadata),
		Resources:    map[string]*tfbridge.ResourceInfo{},
	}
	for name, typ := range resources {
		token := tokens.Type("random:index/" + string(typ[0]|0x20) + typ[1:] + ":" + typ)
		provider.Resources[name] = &tfbridge.ResourceInfo{Tok: token}
	}
	provider.Resources["random_bytes"].ComputeID = bytesID
	return provider
}

// bytesID: upstream gives random bytes no id of their own, so they are known by their value, as officially.
func bytesID(_ context.Context, state resource.PropertyMap) (resource.ID, error) {
	value := state["base64"]
	if value.IsSecret() {
		value = value.SecretValue().Element
	}
	if !value.IsString() {
		return "", errors.New("the state of RandomBytes has no text in base64")
	}
	return resource.ID(value.StringValue()), nil
}
