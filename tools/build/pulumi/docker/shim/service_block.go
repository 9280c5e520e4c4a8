package shim

import (
	"time"

	"github.com/hashicorp/terraform-plugin-sdk/v2/helper/schema"
)

// block is one nested block of a resource, by the names that it has upstream. What is not set reads as nothing.
type block map[string]any

func (b block) text(name string) string { value, _ := b[name].(string); return value }
func (b block) number(name string) int  { value, _ := b[name].(int); return value }
func (b block) isTrue(name string) bool { value, _ := b[name].(bool); return value }
func (b block) texts(name string) []string {
	var all []string
	for _, one := range elements(b[name]) {
		if text, ok := one.(string); ok {
			all = append(all, text)
		}
	}
	return all
}

// pairs of a map.
func (b block) pairs(name string) map[string]string {
	pairs := map[string]string{}
	given, _ := b[name].(map[string]any)
	for key, value := range given {
		pairs[key], _ = value.(string)
	}
	return pairs
}

func (b block) duration(name string) (time.Duration, error) {
	if b.text(name) == "" {
		return 0, nil
	}
	return time.ParseDuration(b.text(name))
}

// blocks of a list or a set.
func (b block) blocks(name string) []block {
	var all []block
	for _, one := range elements(b[name]) {
		// A block without anything in it is nil.
		inner, _ := one.(map[string]any)
		all = append(all, inner)
	}
	return all
}

// only is the block of a list that has one at most.
func (b block) only(name string) (block, bool) {
	if all := b.blocks(name); len(all) > 0 {
		return all[0], true
	}
	return nil, false
}

func elements(value any) []any {
	switch value := value.(type) {
	case *schema.Set:
		return value.List()
	case []any:
		return value
	default:
		return nil
	}
}

// list is a block as the schema has one that may be there once.
func list(one block) []any { return []any{map[string]any(one)} }
