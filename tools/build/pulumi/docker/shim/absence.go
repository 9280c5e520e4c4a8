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

// noticeAbsence makes a read of a volume that is gone say so, as the newer provider does: a refresh drops it from the
// state, and the next update makes a new one, which is empty. Upstream fails instead, in every run from then on.
func noticeAbsence(volume *schema.Resource) {
	read := volume.ReadContext
	volume.ReadContext = func(ctx context.Context, d *schema.ResourceData, meta any) diag.Diagnostics {
		if _, err := dockerClient(meta).VolumeInspect(ctx, d.Id()); client.IsErrNotFound(err) {
			d.SetId("")
			return nil
		}
		return read(ctx, d, meta)
	}
}
