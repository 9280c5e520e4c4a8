package shim

import (
	"strings"
	"testing"

	"github.com/hashicorp/go-cty/cty"
	"github.com/hashicorp/terraform-plugin-sdk/v2/helper/schema"
	"github.com/terraform-providers/terraform-provider-docker/internal/provider"
)

func TestWhatHasOnlyADefaultHereRefusesAllElse(t *testing.T) {
	resources := provider.New("1.0.0")().ResourcesMap
	container, image := resources["docker_container"], resources["docker_image"]
	addDefaults(container, image)
	check := container.Schema["healthcheck"].Elem.(*schema.Resource).Schema
	build := image.Schema["build"].Elem.(*schema.Resource).Schema
	for name, c := range map[string]struct {
		field        *schema.Schema
		taken, other any
	}{
		"memory_reservation": {container.Schema["memory_reservation"], 0, 64},
		"start_interval":     {check["start_interval"], "0s", "1s"},
		"platform":           {image.Schema["platform"], "", "linux/arm64"},
		"use_legacy_builder": {build["use_legacy_builder"], false, true},
		"builder":            {build["builder"], "", "mine"},
	} {
		if found := c.field.ValidateDiagFunc(c.taken, cty.Path{}); found.HasError() {
			t.Errorf("%s refuses its default: %v", name, found)
		}
		found := c.field.ValidateDiagFunc(c.other, cty.GetAttrPath(name))
		if !found.HasError() || !strings.Contains(found[0].Summary, "official docker plugin") || len(found[0].AttributePath) == 0 {
			t.Errorf("%s: %v", name, found)
		}
	}
}
