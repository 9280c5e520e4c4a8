// Package info describes the upstream random provider to Pulumi, with the same tokens and property names as the official
// provider of the npm package @pulumi/random.
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

// Version is the official version that this plugin stands in for. Comparisons ignore what follows the plus sign.
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

// Provider describes the bridged provider. cmd/tfgen writes the metadata, and passes empty metadata itself.
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

// bytesID: upstream gives random bytes no id, so their value is their id, as in the official provider.
func bytesID(_ context.Context, state resource.PropertyMap) (resource.ID, error) {
	value := state["base64"]
	if value.IsSecret() {
		value = value.SecretValue().Element
	}
	if !value.IsString() {
		return "", errors.New("the property base64 in the state of RandomBytes is not a string")
	}
	return resource.ID(value.StringValue()), nil
}
