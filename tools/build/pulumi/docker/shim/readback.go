package shim

import (
	"context"
	"strings"

	"github.com/docker/docker/api/types"
	"github.com/docker/docker/client"
	"github.com/hashicorp/terraform-plugin-sdk/v2/diag"
	"github.com/hashicorp/terraform-plugin-sdk/v2/helper/schema"
)

// onlyWhereSet are the properties that the newer provider reads back only where the program sets them: what the engine
// adds by itself, such as log options of its own configuration, is no change there.
var onlyWhereSet = []string{"ports", "log_opts", "ulimit", "devices", "pid_mode"}

// readBackLikeTheNewer makes the state say of a container what the newer provider's read would say: the same spelling,
// the same defaults, and of a container that is stopped that it has to be started, where the older one removes it.
func readBackLikeTheNewer(container *schema.Resource) {
	create, read, update := container.CreateContext, container.ReadContext, container.UpdateContext

	container.CreateContext = func(ctx context.Context, d *schema.ResourceData, meta any) diag.Diagnostics {
		before := given(d)
		diags := create(ctx, d, meta)
		if diags.HasError() || d.Id() == "" {
			return diags
		}
		found, err := dockerClient(meta).ContainerInspect(ctx, d.Id())
		if err != nil {
			return append(diags, diag.Errorf("cannot read container %s: %s", d.Id(), err)...)
		}
		return append(diags, settle(d, before, found)...)
	}

	container.ReadContext = func(ctx context.Context, d *schema.ResourceData, meta any) diag.Diagnostics {
		found, err := dockerClient(meta).ContainerInspect(ctx, d.Id())
		if client.IsErrNotFound(err) {
			d.SetId("")
			return nil
		}
		if err != nil {
			return diag.Errorf("cannot read container %s: %s", d.Id(), err)
		}
		before := given(d)
		if !found.State.Running && d.Get("must_run").(bool) {
			// The change by which an update starts it. The upstream read would remove a container that must run.
			if err := d.Set("must_run", false); err != nil {
				return diag.FromErr(err)
			}
		}
		diags := read(ctx, d, meta)
		if diags.HasError() || d.Id() == "" {
			return diags
		}
		return append(diags, settle(d, before, found)...)
	}

	container.UpdateContext = func(ctx context.Context, d *schema.ResourceData, meta any) diag.Diagnostics {
		if d.HasChange("must_run") && d.Get("must_run").(bool) && d.Get("start").(bool) {
			if err := dockerClient(meta).ContainerStart(ctx, d.Id(), types.ContainerStartOptions{}); err != nil {
				return diag.Errorf("cannot start container %s: %s", d.Id(), err)
			}
		}
		return update(ctx, d, meta)
	}
}

// known is what is known of a container before the upstream provider reads it.
type known struct {
	values  map[string]any
	set     map[string]bool
	image   string
	mustRun bool
}

func given(d *schema.ResourceData) known {
	b := known{map[string]any{}, map[string]bool{}, d.Get("image").(string), d.Get("must_run").(bool)}
	for _, name := range onlyWhereSet {
		b.values[name], b.set[name] = d.GetOk(name)
	}
	return b
}

// settle corrects what the upstream provider has just read.
func settle(d *schema.ResourceData, b known, found types.ContainerJSON) diag.Diagnostics {
	corrections := map[string]any{}
	for _, name := range onlyWhereSet {
		if !b.set[name] {
			corrections[name] = nil
		}
	}
	if b.set["ports"] && !found.State.Running && !b.mustRun {
		corrections["ports"] = b.values["ports"] // a container that is not meant to run keeps those it will have
	}
	if !strings.HasPrefix(b.image, "sha256:") {
		corrections["image"] = found.Config.Image // the name that it was made with, not what the name means
	}
	// Without a limit nothing is read back, so a limit that somebody took away is not seen.
	if found.HostConfig.NanoCPUs > 0 {
		corrections["cpus"] = readBackCPUs(found.HostConfig.NanoCPUs)
	}
	if checks, ok := d.Get("healthcheck").([]any); ok && len(checks) == 1 && checks[0] != nil {
		check := checks[0].(map[string]any)
		check["start_interval"] = noInterval
		corrections["healthcheck"] = []any{check}
	}
	var diags diag.Diagnostics
	for name, value := range corrections {
		if err := d.Set(name, value); err != nil {
			diags = append(diags, diag.Errorf("cannot read back %s of container %s: %s", name, d.Id(), err)...)
		}
	}
	return diags
}
