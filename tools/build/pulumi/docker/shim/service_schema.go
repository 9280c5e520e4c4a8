package shim

import (
	"strconv"

	"github.com/hashicorp/terraform-plugin-sdk/v2/helper/schema"
)

// serviceSchema is the upstream's with the properties that service_spec.go and service_state.go know, and those of the newer
// provider.
func serviceSchema(upstream map[string]*schema.Schema) map[string]*schema.Schema {
	kept := pick(upstream, "name", "task_spec", "mode", "update_config", "rollback_config", "endpoint_spec")
	// The labels of the service itself can be changed; those of its containers cannot, there either.
	kept["labels"] = &schema.Schema{Type: schema.TypeSet, Optional: true, Computed: true, Elem: &schema.Resource{
		Schema: map[string]*schema.Schema{
			"label": {Type: schema.TypeString, Required: true},
			"value": {Type: schema.TypeString, Required: true},
		},
	}}
	// The other one that it conflicts with there is taken out.
	inside(kept["mode"])["global"].ConflictsWith = []string{"mode.0.replicated"}
	for _, name := range []string{"update_config", "rollback_config"} {
		inside(kept[name])["max_failure_ratio"].DiffSuppressFunc = sameNumber
	}

	task := pick(inside(kept["task_spec"]),
		"container_spec", "resources", "restart_policy", "placement", "force_update", "log_driver")
	task["networks_advanced"] = &schema.Schema{Type: schema.TypeSet, Optional: true, ForceNew: true, Elem: &schema.Resource{
		Schema: map[string]*schema.Schema{
			"id":      {Type: schema.TypeString, Optional: true, ForceNew: true},
			"name":    {Type: schema.TypeString, Optional: true, ForceNew: true},
			"aliases": {Type: schema.TypeSet, Optional: true, ForceNew: true, Elem: &schema.Schema{Type: schema.TypeString}},
		},
	}}
	replace(kept["task_spec"], task)
	replace(task["resources"], pick(inside(task["resources"]), "limits"))

	container := pick(inside(task["container_spec"]), "image", "labels", "command", "args", "hostname", "env", "user", "dir",
		"read_only", "mounts", "stop_signal", "stop_grace_period", "healthcheck", "secrets", "configs")
	container["cap_add"] = &schema.Schema{Type: schema.TypeList, Optional: true, Elem: &schema.Schema{Type: schema.TypeString}}
	container["cap_drop"] = &schema.Schema{Type: schema.TypeList, Optional: true, Elem: &schema.Schema{Type: schema.TypeString}}
	container["init"] = &schema.Schema{Type: schema.TypeBool, Optional: true, Computed: true}
	replace(task["container_spec"], container)
	replace(container["mounts"], pick(inside(container["mounts"]), "target", "source", "type", "read_only",
		"volume_options", "tmpfs_options"))
	replace(inside(container["mounts"])["volume_options"], pick(inside(inside(container["mounts"])["volume_options"]),
		"no_copy", "driver_name", "driver_options"))
	return kept
}

func inside(block *schema.Schema) map[string]*schema.Schema {
	return block.Elem.(*schema.Resource).Schema
}

func replace(block *schema.Schema, with map[string]*schema.Schema) {
	block.Elem = &schema.Resource{Schema: with}
}

// pick panics for a name that is not there: upstream is another one then.
func pick(from map[string]*schema.Schema, names ...string) map[string]*schema.Schema {
	picked := map[string]*schema.Schema{}
	for _, name := range names {
		if from[name] == nil {
			panic("docker_service has no " + name)
		}
		picked[name] = from[name]
	}
	return picked
}

func sameNumber(_, before, after string, _ *schema.ResourceData) bool {
	one, err := strconv.ParseFloat(before, 32)
	other, otherErr := strconv.ParseFloat(after, 32)
	return err == nil && otherErr == nil && one == other
}
