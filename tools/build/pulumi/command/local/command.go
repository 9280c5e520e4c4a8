// Package local provides the resource command:local:Command. The package's name is part of that token.
package local

import (
	"context"
	"fmt"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi-go-provider/infer"

	"omniai.invalid/toolchain/command/lifecycle"
)

// Command runs on this machine when it is created, updated or deleted.
type Command struct {
	lifecycle.Commands[Inputs, State, *State]
}

// Inputs are what the program sets.
type Inputs struct {
	lifecycle.Common
	Interpreter []string `pulumi:"interpreter,optional"`
	Dir         *string  `pulumi:"dir,optional"`
}

// State is what is kept.
type State struct {
	Inputs
	lifecycle.Output
}

// SetInputs replaces the inputs and leaves the output.
func (s *State) SetInputs(inputs Inputs) { s.Inputs = inputs }

// Check refuses what the official provider has and this one lacks, instead of dropping it.
func (*Command) Check(ctx context.Context, request infer.CheckRequest) (infer.CheckResponse[Inputs], error) {
	inputs, failures, err := infer.DefaultCheck[Inputs](ctx, request.NewInputs)
	for _, name := range []string{"archivePaths", "assetPaths"} {
		if !request.NewInputs.Get(name).IsNull() {
			failures = append(failures, p.CheckFailure{Property: name, Reason: fmt.Sprintf(
				"the command provider built by tools/build has no %s; use the official command plugin, or leave it out",
				name)})
		}
	}
	failures = append(failures, inputs.CheckLogging()...)
	return infer.CheckResponse[Inputs]{Inputs: inputs, Failures: failures}, err
}

// WireDependencies: what a command prints may contain any of its inputs, so one secret input makes the output secret.
func (*Command) WireDependencies(f infer.FieldSelector, inputs *Inputs, state *State) {
	f.OutputField(state).DependsOn(f.InputField(inputs))
}
