package shim

import (
	"context"
	"encoding/base64"

	"github.com/docker/docker/api/types/swarm"
	"github.com/hashicorp/terraform-plugin-sdk/v2/diag"
	"github.com/hashicorp/terraform-plugin-sdk/v2/helper/schema"
)

// labelConfigs gives docker_config the newer provider's labels. Other labels are another config, as they are there.
func labelConfigs(config *schema.Resource) {
	config.Schema["labels"] = &schema.Schema{Type: schema.TypeSet, Optional: true, ForceNew: true, Elem: &schema.Resource{
		Schema: map[string]*schema.Schema{
			"label": {Type: schema.TypeString, Required: true, ForceNew: true},
			"value": {Type: schema.TypeString, Required: true, ForceNew: true},
		},
	}}
	read := config.ReadContext
	config.ReadContext = func(ctx context.Context, d *schema.ResourceData, meta any) diag.Diagnostics {
		if diags := read(ctx, d, meta); diags.HasError() || d.Id() == "" {
			return diags
		}
		found, _, err := dockerClient(meta).ConfigInspectWithRaw(ctx, d.Id())
		if err != nil {
			return diag.FromErr(err)
		}
		return diag.FromErr(d.Set("labels", labelBlocks(found.Spec.Labels)))
	}
	config.CreateContext = func(ctx context.Context, d *schema.ResourceData, meta any) diag.Diagnostics {
		data, err := base64.StdEncoding.DecodeString(d.Get("data").(string))
		if err != nil {
			return diag.FromErr(err)
		}
		spec := swarm.ConfigSpec{Data: data}
		spec.Name, spec.Labels = d.Get("name").(string), labelsIn(block{"labels": d.Get("labels")})
		created, err := dockerClient(meta).ConfigCreate(ctx, spec)
		if err != nil {
			return diag.FromErr(err)
		}
		d.SetId(created.ID)
		return config.ReadContext(ctx, d, meta)
	}
}
