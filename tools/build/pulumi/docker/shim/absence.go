package shim

import (
	"context"

	"github.com/docker/docker/client"
	"github.com/hashicorp/terraform-plugin-sdk/v2/diag"
	"github.com/hashicorp/terraform-plugin-sdk/v2/helper/schema"
)

// tolerateAbsence lets a container that is gone already count as deleted, as the newer provider does: somebody removed
// it by hand, or it never started and the engine did not keep it.
func tolerateAbsence(container *schema.Resource) {
	remove := container.DeleteContext
	container.DeleteContext = func(ctx context.Context, d *schema.ResourceData, meta any) diag.Diagnostics {
		if _, err := dockerClient(meta).ContainerInspect(ctx, d.Id()); client.IsErrNotFound(err) {
			d.SetId("")
			return nil
		}
		return remove(ctx, d, meta)
	}
}
