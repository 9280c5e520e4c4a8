package info

import (
	"context"
	"fmt"
	"sort"
	"strings"

	"github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfbridge"
	shim "github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfshim"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
)

const remedy = "The docker provider built by tools/build stands in for the official one and cannot do this. " +
	"Use the official docker plugin (run where plugins can be downloaded), or leave it out"

// refuseUnknownProperties makes Check fail for a property that this provider does not have. The bridge would drop it
// in silence, and the stack would then run without what it asked for.
func refuseUnknownProperties(provider *tfbridge.ProviderInfo) {
	for name, info := range provider.Resources {
		if info.PreCheckCallback != nil {
			continue
		}
		fields, token := provider.P.ResourcesMap().Get(name).Schema(), info.Tok
		info.PreCheckCallback = func(
			_ context.Context, inputs, _ resource.PropertyMap,
		) (resource.PropertyMap, error) {
			unknown := unknownIn("", inputs, fields, info.Fields)
			if len(unknown) == 0 {
				return inputs, nil
			}
			sort.Strings(unknown)
			return nil, fmt.Errorf("%s has no property %s. %s.", token, strings.Join(unknown, ", "), remedy)
		}
	}
	config := provider.P.Schema()
	provider.PreConfigureCallback = func(vars resource.PropertyMap, _ shim.ResourceConfig) error {
		known := pulumiNames(config, provider.Config)
		for name := range vars {
			if _, ok := known[string(name)]; !ok && !internal(name) && name != "version" && name != "pluginDownloadURL" {
				return fmt.Errorf("the docker provider's configuration has no property %s. %s.", name, remedy)
			}
		}
		return nil
	}
}

func refuseResource(typ string) tfbridge.PreCheckCallback {
	return func(context.Context, resource.PropertyMap, resource.PropertyMap) (resource.PropertyMap, error) {
		return nil, fmt.Errorf("docker.%s is not available here. %s.", typ, remedy)
	}
}

// unknownIn lists the paths of all properties that the schema does not know, at any depth.
func unknownIn(
	path string, inputs resource.PropertyMap, fields shim.SchemaMap, infos map[string]*tfbridge.SchemaInfo,
) []string {
	known := pulumiNames(fields, infos)
	var unknown []string
	for name, value := range inputs {
		if internal(name) {
			continue
		}
		key, ok := known[string(name)]
		if !ok {
			unknown = append(unknown, path+string(name))
			continue
		}
		block, ok := fields.Get(key).Elem().(shim.Resource)
		if !ok {
			continue // a plain value, or a list or map of plain values
		}
		for _, item := range items(value) {
			if item.IsObject() {
				nested := unknownIn(path+string(name)+".", item.ObjectValue(), block.Schema(), nestedInfos(infos[key]))
				unknown = append(unknown, nested...)
			}
		}
	}
	return unknown
}

// pulumiNames maps each property's name in Pulumi to its name upstream.
func pulumiNames(fields shim.SchemaMap, infos map[string]*tfbridge.SchemaInfo) map[string]string {
	names := map[string]string{}
	fields.Range(func(key string, _ shim.Schema) bool {
		names[tfbridge.TerraformToPulumiNameV2(key, fields, infos)] = key
		return true
	})
	return names
}

func nestedInfos(info *tfbridge.SchemaInfo) map[string]*tfbridge.SchemaInfo {
	switch {
	case info == nil:
		return nil
	case info.Elem != nil:
		return info.Elem.Fields
	default:
		return info.Fields
	}
}

// items unwraps secrets and outputs, and gives a list's elements or the one value itself.
func items(value resource.PropertyValue) []resource.PropertyValue {
	switch {
	case value.IsSecret():
		return items(value.SecretValue().Element)
	case value.IsOutput():
		return items(value.OutputValue().Element)
	case value.IsArray():
		var all []resource.PropertyValue
		for _, element := range value.ArrayValue() {
			all = append(all, items(element)...)
		}
		return all
	default:
		return []resource.PropertyValue{value}
	}
}

func internal(name resource.PropertyKey) bool { return strings.HasPrefix(string(name), "__") }
