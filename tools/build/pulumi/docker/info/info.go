// Package info says how the upstream docker provider looks to Pulumi: the same tokens and property names as the
// official provider of the npm package @pulumi/docker.
package info

import (
	"github.com/hashicorp/terraform-plugin-sdk/v2/helper/schema"
	"github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfbridge"
	sdkv2 "github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfshim/sdk-v2"
	"github.com/pulumi/pulumi/sdk/v3/go/common/tokens"
	"github.com/terraform-providers/terraform-provider-docker/shim"
)

// Version: what it stands in for, and the upstream version that does. Build metadata does not count when versions are
// compared.
const Version = "5.2.0+standin.2.23.0"

var resources = map[string]string{
	"docker_config":         "ServiceConfig",
	"docker_container":      "Container",
	"docker_image":          "RemoteImage",
	"docker_network":        "Network",
	"docker_plugin":         "Plugin",
	"docker_registry_image": "RegistryImage",
	"docker_secret":         "Secret",
	"docker_service":        "Service",
	"docker_tag":            "Tag",
	"docker_volume":         "Volume",
}

var functions = map[string]string{
	"docker_image":          "getRemoteImage",
	"docker_logs":           "getLogs",
	"docker_network":        "getNetwork",
	"docker_plugin":         "getPlugin",
	"docker_registry_image": "getRegistryImage",
}

// absent are the official resources that have no counterpart upstream: declared, so that using one names the remedy.
var absent = map[string]string{
	"docker_buildx_builder": "BuildxBuilder",
	"docker_built_image":    "Image",
}

// Provider describes the bridged provider.
func Provider() tfbridge.ProviderInfo {
	upstream := shim.NewProvider(Version)
	for name := range absent {
		upstream.ResourcesMap[name] = absentResource()
	}
	provider := tfbridge.ProviderInfo{
		P:           sdkv2.NewProvider(upstream),
		Name:        "docker",
		Version:     Version,
		Description: "Stands in for @pulumi/docker where its plugin cannot be downloaded",
		Config: map[string]*tfbridge.SchemaInfo{
			"host": {Default: &tfbridge.DefaultInfo{
				Value:   "unix:///var/run/docker.sock",
				EnvVars: []string{"DOCKER_HOST"},
			}},
			"registry_auth": {Name: "registryAuth", MaxItemsOne: tfbridge.False()},
		},
		Resources:   map[string]*tfbridge.ResourceInfo{},
		DataSources: map[string]*tfbridge.DataSourceInfo{},
	}
	for name, typ := range resources {
		provider.Resources[name] = &tfbridge.ResourceInfo{Tok: resourceToken(typ)}
	}
	for name, typ := range absent {
		provider.Resources[name] = &tfbridge.ResourceInfo{Tok: resourceToken(typ), PreCheckCallback: refuseResource(typ)}
	}
	for name, function := range functions {
		provider.DataSources[name] = &tfbridge.DataSourceInfo{Tok: tokens.ModuleMember("docker:index/" + function + ":" + function)}
	}

	container := provider.Resources["docker_container"]
	container.DeleteBeforeReplace = true // as the official provider does
	container.Fields = map[string]*tfbridge.SchemaInfo{
		"command":           {Name: "command"},
		"networks_advanced": {Name: "networksAdvanced"},
	}
	provider.Resources["docker_image"].Fields = map[string]*tfbridge.SchemaInfo{
		"name": {Name: "name"}, // what is pulled or built, never a generated name
	}

	provider.SetAutonaming(255, "-")
	refuseUnknownProperties(&provider)
	return provider
}

func resourceToken(typ string) tokens.Type {
	return tokens.Type("docker:index/" + lowerFirst(typ) + ":" + typ)
}

func lowerFirst(text string) string { return string(text[0]|0x20) + text[1:] }

func absentResource() *schema.Resource {
	never := func(*schema.ResourceData, any) error { return nil } // Check refuses before any of them is reached
	return &schema.Resource{
		Create: never, Read: never, Delete: never,
		Schema: map[string]*schema.Schema{"name": {Type: schema.TypeString, Optional: true, ForceNew: true}},
	}
}
