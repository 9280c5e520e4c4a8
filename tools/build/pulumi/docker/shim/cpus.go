package shim

import (
	"context"
	"fmt"
	"math/big"
	"strings"

	"github.com/hashicorp/go-cty/cty"
	"github.com/hashicorp/terraform-plugin-sdk/v2/diag"
	"github.com/hashicorp/terraform-plugin-sdk/v2/helper/schema"
)

// addCPUs gives the container the newer provider's `cpus`: a decimal number of CPUs as text. A change replaces the
// container, as it does there.
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

	create := container.CreateContext
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

// readBackCPUs spells a number of billionths as the newer provider does, its faults included, because any other spelling
// would hide a change that the newer provider sees on every update. It writes nine decimals. Where nine of all the
// digits are zeros it takes the number for a round one and keeps a single decimal, rounded: 1 is "1.0", 0.5 is "0.5",
// but 0.05 is "0.1". Otherwise it cuts the zeros at the end and leaves the point: 2.25 is "2.25", but 10 is "10.".
func readBackCPUs(nanoCPUs int64) string {
	const unit, tenth = 1_000_000_000, 100_000_000
	if written := fmt.Sprintf("%d.%09d", nanoCPUs/unit, nanoCPUs%unit); strings.Count(written, "0") != 9 {
		return strings.TrimRight(written, "0")
	}
	tenths := (nanoCPUs + tenth/2) / tenth
	return fmt.Sprintf("%d.%d", tenths/10, tenths%10)
}
