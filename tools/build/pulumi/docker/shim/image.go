package shim

import (
	"context"

	"github.com/hashicorp/terraform-plugin-sdk/v2/diag"
	"github.com/hashicorp/terraform-plugin-sdk/v2/helper/schema"
)

// addBuildLabels gives build the newer provider's `labels`; upstream calls the same thing `label`, and both count.
func addBuildLabels(image *schema.Resource) {
	build := image.Schema["build"].Elem.(*schema.Resource)
	build.Schema["labels"] = &schema.Schema{
		Type:        schema.TypeMap,
		Optional:    true,
		ForceNew:    true,
		Description: "Labels of the image that is built.",
		Elem:        &schema.Schema{Type: schema.TypeString},
	}
	create := image.CreateContext
	image.CreateContext = func(ctx context.Context, d *schema.ResourceData, meta any) diag.Diagnostics {
		labels := map[string]string{}
		for _, raw := range d.Get("build").(*schema.Set).List() {
			given, _ := raw.(map[string]any)["labels"].(map[string]any)
			for name, value := range given {
				labels[name] = value.(string)
			}
		}
		return create(withAmendment(ctx, amendment{buildLabels: labels}), d, meta)
	}
}
