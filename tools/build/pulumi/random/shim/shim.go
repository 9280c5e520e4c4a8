// Package shim hands out the random provider's constructor, which its own module keeps internal.
package shim

import (
	upstream "github.com/hashicorp/terraform-plugin-framework/provider"
	"github.com/terraform-providers/terraform-provider-random/internal/provider"
)

// NewProvider gives the upstream provider, unchanged.
func NewProvider() upstream.Provider { return provider.New() }
