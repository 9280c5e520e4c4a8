package shim

import (
	"fmt"

	"github.com/hashicorp/go-cty/cty"
	"github.com/hashicorp/terraform-plugin-sdk/v2/diag"
	"github.com/hashicorp/terraform-plugin-sdk/v2/helper/schema"
)

// noInterval is the newer provider's default for the checks while a container starts: as often as all others.
const noInterval = "0s"

// addDefaults declares the properties of the newer provider that have a default there, so that both write the same state
// and a stack can go from one to the other unchanged. Another value than the default is refused: this provider has
// nothing behind them.
func addDefaults(container, image *schema.Resource) {
	container.Schema["memory_reservation"] = onlyDefault(schema.TypeInt, 0, false)
	container.Schema["network_mode"].Default = "bridge"
	container.Schema["network_mode"].DiffSuppressFunc = nil
	check := container.Schema["healthcheck"].Elem.(*schema.Resource)
	check.Schema["start_interval"] = onlyDefault(schema.TypeString, noInterval, false)

	image.Schema["platform"] = onlyDefault(schema.TypeString, "", true)
	build := image.Schema["build"].Elem.(*schema.Resource)
	build.Schema["use_legacy_builder"] = onlyDefault(schema.TypeBool, false, true)
	build.Schema["builder"] = onlyDefault(schema.TypeString, "", true)
}

func onlyDefault(typ schema.ValueType, value any, forceNew bool) *schema.Schema {
	return &schema.Schema{
		Type: typ, Optional: true, Default: value, ForceNew: forceNew,
		Description: fmt.Sprintf("Has to be %#v here, which is the default.", value),
		ValidateDiagFunc: func(given any, path cty.Path) diag.Diagnostics {
			if given == value {
				return nil
			}
			summary := fmt.Sprintf("it is %#v, and the docker provider built by tools/build can only do %#v: use the "+
				"official docker plugin, or leave it out", given, value)
			return diag.Diagnostics{{Severity: diag.Error, Summary: summary, AttributePath: path}}
		},
	}
}
