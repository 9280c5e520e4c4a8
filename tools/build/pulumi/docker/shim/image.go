package shim

import (
	"context"

	"github.com/hashicorp/terraform-plugin-sdk/v2/diag"
	"github.com/hashicorp/terraform-plugin-sdk/v2/helper/schema"
)

// buildNames are the properties of build that the newer provider has under another name. They have to have that name
// here as well, and not only in Pulumi: the state keeps the provider's own names beside Pulumi's, so that a stack that
// goes to the official plugin would lose what it does not know, and build its image again.
var buildNames = map[string]string{"path": "context", "build_arg": "build_args"}

// gone are the properties that the newer provider no longer has.
var gone = []string{"latest", "output", "pull_trigger"}

// nameLikeTheNewer gives the image the newer provider's properties, its build with `labels` among them; upstream calls
// the same thing `label`, and both count.
func nameLikeTheNewer(image *schema.Resource) {
	upstream := &schema.Resource{Schema: image.Schema}
	image.Schema = copyOf(image.Schema)
	for _, name := range gone {
		delete(image.Schema, name)
	}
	image.Schema["pull_triggers"] = without(image.Schema["pull_triggers"])
	build := without(image.Schema["build"])
	build.ConflictsWith = []string{"pull_triggers"}
	fields := copyOf(build.Elem.(*schema.Resource).Schema)
	for old, name := range buildNames {
		fields[name] = fields[old]
		delete(fields, old)
	}
	fields["labels"] = &schema.Schema{
		Type:        schema.TypeMap,
		Optional:    true,
		ForceNew:    true,
		Description: "Labels of the image that is built.",
		Elem:        &schema.Schema{Type: schema.TypeString},
	}
	build.Elem = &schema.Resource{Schema: fields}
	image.Schema["build"] = build

	create := image.CreateContext
	image.CreateContext = func(ctx context.Context, d *schema.ResourceData, meta any) diag.Diagnostics {
		known, labels, err := toUpstream(upstream, d)
		if err != nil {
			return diag.FromErr(err)
		}
		diags := create(withAmendment(ctx, amendment{buildLabels: labels}), known, meta)
		d.SetId(known.Id())
		for _, name := range []string{"image_id", "repo_digest"} {
			if err := d.Set(name, known.Get(name)); err != nil {
				return append(diags, diag.FromErr(err)...)
			}
		}
		return diags
	}
}

// toUpstream says of an image what upstream has names for, and which labels its build is to have.
func toUpstream(upstream *schema.Resource, d *schema.ResourceData) (*schema.ResourceData, map[string]string, error) {
	known, labels := upstream.Data(nil), map[string]string{}
	for name, field := range upstream.Schema {
		value, given := d.GetOk(name)
		if !given || field.Computed && !field.Optional {
			continue
		}
		if name == "build" {
			value = []any{buildOf(value.(*schema.Set), upstream, labels)}
		}
		if err := known.Set(name, value); err != nil {
			return nil, nil, err
		}
	}
	return known, labels, nil
}

func buildOf(given *schema.Set, upstream *schema.Resource, labels map[string]string) map[string]any {
	build := map[string]any{}
	for _, raw := range given.List() {
		values := raw.(map[string]any)
		for name := range upstream.Schema["build"].Elem.(*schema.Resource).Schema {
			if newer, ok := buildNames[name]; ok {
				build[name] = values[newer]
			} else {
				build[name] = values[name]
			}
		}
		given, _ := values["labels"].(map[string]any)
		for name, value := range given {
			labels[name] = value.(string)
		}
	}
	return build
}

func copyOf(fields map[string]*schema.Schema) map[string]*schema.Schema {
	copied := map[string]*schema.Schema{}
	for name, field := range fields {
		copied[name] = field
	}
	return copied
}

// without is a copy that conflicts with nothing.
func without(field *schema.Schema) *schema.Schema {
	copied := *field
	copied.ConflictsWith = nil
	return &copied
}
