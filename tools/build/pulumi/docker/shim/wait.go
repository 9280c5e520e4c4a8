package shim

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/docker/docker/api/types"
	"github.com/docker/docker/client"
	"github.com/hashicorp/terraform-plugin-sdk/v2/diag"
	"github.com/hashicorp/terraform-plugin-sdk/v2/helper/schema"
)

// waitHere waits for health in place of the upstream provider, whose own loop reads the answer of a failed inspection:
// when a wait ends by time or by an interruption, that stops the whole provider, with all that it was doing.
// The meaning is the same: until healthy, or an error after wait_timeout, the container staying as it is.
func waitHere(container *schema.Resource) {
	create := container.CreateContext
	container.CreateContext = func(ctx context.Context, d *schema.ResourceData, meta any) diag.Diagnostics {
		if !d.Get("wait").(bool) || !d.Get("start").(bool) {
			return create(ctx, d, meta)
		}
		if err := d.Set("wait", false); err != nil {
			return diag.FromErr(err)
		}
		diags := create(ctx, d, meta)
		if err := d.Set("wait", true); err != nil {
			return append(diags, diag.FromErr(err)...)
		}
		if diags.HasError() || d.Id() == "" {
			return diags
		}
		timeout := time.Duration(d.Get("wait_timeout").(int)) * time.Second
		if err := waitHealthy(ctx, dockerClient(meta), d.Id(), timeout, time.Second); err != nil {
			return append(diags, diag.FromErr(err)...)
		}
		return diags
	}
}

type inspector interface {
	ContainerInspect(ctx context.Context, id string) (types.ContainerJSON, error)
}

// waitHealthy asks every interval until the container is healthy. An inspection that fails is asked again: only a
// container that is gone, or that has no health check, ends the wait early.
func waitHealthy(ctx context.Context, engine inspector, id string, timeout, interval time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	last := "it was not asked yet"
	for {
		found, err := engine.ContainerInspect(ctx, id)
		switch {
		case client.IsErrNotFound(err):
			return fmt.Errorf("container %s was removed while it was waited for", id)
		case err != nil || found.ContainerJSONBase == nil || found.State == nil:
			last = fmt.Sprint("it could not be inspected: ", err)
		case found.State.Health == nil && found.State.Running:
			return fmt.Errorf("container %s has no health check, so it cannot be waited for; give it one or set wait to false", id)
		case found.State.Health == nil:
			last = "it is " + found.State.Status
		case found.State.Health.Status == types.Healthy:
			return nil
		default:
			last = fmt.Sprintf("it is %s and %s", found.State.Status, found.State.Health.Status)
		}
		select {
		case <-ctx.Done():
			if errors.Is(ctx.Err(), context.DeadlineExceeded) {
				return fmt.Errorf("container %s was not healthy within %s: %s", id, timeout, last)
			}
			return fmt.Errorf("the wait for container %s was interrupted: %s", id, last)
		case <-time.After(interval):
		}
	}
}
