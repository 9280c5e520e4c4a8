// Package shim exports the random provider's constructor, which is internal in its own module.
package shim

import (
	upstream "github.com/hashicorp/terraform-plugin-framework/provider"
	"github.com/terraform-providers/terraform-provider-random/internal/provider"
)

// NewProvider returns the upstream provider unchanged.
func NewProvider() upstream.Provider { return provider.New() }
