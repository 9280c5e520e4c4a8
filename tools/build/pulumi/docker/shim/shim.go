// Package shim hands out the docker provider, which its own module keeps internal, together with the few properties
// of the newer provider that the stack uses and this one lacks. Each of them travels in the engine request that the
// provider sends anyway (transport.go), so that it holds from the container's first instant.
package shim

import (
	"context"

	"github.com/docker/docker/client"
	"github.com/hashicorp/terraform-plugin-sdk/v2/diag"
	"github.com/hashicorp/terraform-plugin-sdk/v2/helper/schema"
	"github.com/terraform-providers/terraform-provider-docker/internal/provider"
)

// NewProvider gives the upstream provider with container.cpus and image.build.labels added, with what the newer provider
// reads back and takes for its defaults, with containers and volumes that are gone counting as gone, and with its services and
// the labels of its configs.
func NewProvider(version string) *schema.Provider {
	p := provider.New(version)()
	nameLikeTheNewer(p.ResourcesMap["docker_image"])
	addDefaults(p.ResourcesMap["docker_container"], p.ResourcesMap["docker_image"])
	addCPUs(p.ResourcesMap["docker_container"])
	waitHere(p.ResourcesMap["docker_container"])
	readBackLikeTheNewer(p.ResourcesMap["docker_container"])
	tolerateAbsence(p.ResourcesMap["docker_container"])
	noticeAbsence(p.ResourcesMap["docker_volume"])
	labelConfigs(p.ResourcesMap["docker_config"])
	beLikeTheNewerService(p.ResourcesMap["docker_service"])

	configure := p.ConfigureContextFunc
	p.ConfigureContextFunc = func(ctx context.Context, d *schema.ResourceData) (any, diag.Diagnostics) {
		meta, diags := configure(ctx, d)
		if config, ok := meta.(*provider.ProviderConfig); ok && !diags.HasError() {
			httpClient := config.DockerClient.HTTPClient() // a copy, so it has to be handed back
			httpClient.Transport = &transport{next: httpClient.Transport}
			if err := client.WithHTTPClient(httpClient)(config.DockerClient); err != nil {
				return nil, append(diags, diag.FromErr(err)...)
			}
		}
		return meta, diags
	}
	return p
}

func dockerClient(meta any) *client.Client { return meta.(*provider.ProviderConfig).DockerClient }
