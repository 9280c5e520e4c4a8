package shim

import (
	"context"
	"fmt"
	"math/big"
	"strconv"

	"github.com/hashicorp/go-cty/cty"
	"github.com/hashicorp/terraform-plugin-sdk/v2/diag"
	"github.com/hashicorp/terraform-plugin-sdk/v2/helper/schema"
)

// addCPUs gives the container the newer provider's `cpus`: a decimal number of CPUs as text. A change replaces the
// container, as it does there, and what the engine has is read back, so that a refresh sees drift.
func addCPUs(container *schema.Resource) {
	container.Schema["cpus"] = &schema.Schema{
		Type:     schema.TypeString,
		Optional: true,
		ForceNew: true,
		Description: "How many CPUs the container may use at most, for example \"1.5\". " +
			"Enforced by the engine's scheduler quota.",
		ValidateDiagFunc: func(value any, path cty.Path) diag.Diagnostics {
			if _, err := parseCPUs(value.(string)); err != nil {
				return diag.Diagnostics{{Severity: diag.Error, Summary: err.Error(), AttributePath: path}}
			}
			return nil
		},
	}

	create, read := container.CreateContext, container.ReadContext
	container.CreateContext = func(ctx context.Context, d *schema.ResourceData, meta any) diag.Diagnostics {
		if text := d.Get("cpus").(string); text != "" {
			nanoCPUs, err := parseCPUs(text)
			if err != nil {
				return diag.FromErr(err)
			}
			ctx = withAmendment(ctx, amendment{nanoCPUs: nanoCPUs})
		}
		return create(ctx, d, meta)
	}
	container.ReadContext = func(ctx context.Context, d *schema.ResourceData, meta any) diag.Diagnostics {
		diags := read(ctx, d, meta)
		if diags.HasError() || d.Id() == "" {
			return diags
		}
		found, err := dockerClient(meta).ContainerInspect(ctx, d.Id())
		if err != nil {
			return append(diags, diag.Errorf("cannot read the CPU limit of container %s: %s", d.Id(), err)...)
		}
		if err := d.Set("cpus", formatCPUs(found.HostConfig.NanoCPUs)); err != nil {
			return append(diags, diag.FromErr(err)...)
		}
		return diags
	}
}

// parseCPUs turns "1.5" into 1500000000. The engine counts in billionths of a CPU; finer is refused, not rounded.
func parseCPUs(text string) (int64, error) {
	number, ok := new(big.Rat).SetString(text)
	if !ok || number.Sign() <= 0 {
		return 0, fmt.Errorf("cpus is %q: it has to be a decimal number above 0, for example \"0.5\"", text)
	}
	nano := number.Mul(number, big.NewRat(1e9, 1))
	if !nano.IsInt() || !nano.Num().IsInt64() {
		return 0, fmt.Errorf("cpus is %q: at most 9 digits may follow the point", text)
	}
	return nano.Num().Int64(), nil
}

// formatCPUs is the shortest text for a number of billionths; no limit is no text.
func formatCPUs(nanoCPUs int64) string {
	if nanoCPUs == 0 {
		return ""
	}
	return strconv.FormatFloat(float64(nanoCPUs)/1e9, 'f', -1, 64)
}
