// Package local gives the resource command:local:Command; the package's name is part of that token.
package local

import (
	"context"
	"fmt"
	"slices"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi-go-provider/infer"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"

	"omniai.invalid/toolchain/command/output"
)

// Command is a command that is run on this machine when it is created, updated or deleted.
type Command struct{}

// Inputs are what the program says. What is not set is nil, so that it stays out of the state.
type Inputs struct {
	Create                 *string           `pulumi:"create,optional"`
	Update                 *string           `pulumi:"update,optional"`
	Delete                 *string           `pulumi:"delete,optional"`
	Triggers               *[]any            `pulumi:"triggers,optional" provider:"replaceOnChanges"`
	Interpreter            []string          `pulumi:"interpreter,optional"`
	Dir                    *string           `pulumi:"dir,optional"`
	Environment            map[string]string `pulumi:"environment,optional"`
	Stdin                  *string           `pulumi:"stdin,optional"`
	Logging                *output.Logging   `pulumi:"logging,optional"`
	AddPreviousOutputInEnv *bool             `pulumi:"addPreviousOutputInEnv,optional"`
}

// State is what is kept.
type State struct {
	Inputs
	Stdout string `pulumi:"stdout"`
	Stderr string `pulumi:"stderr"`
}

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
	if inputs.Logging != nil && !slices.Contains(output.Loggings, *inputs.Logging) {
		failures = append(failures, p.CheckFailure{Property: "logging", Reason: fmt.Sprintf(
			"it is %q and has to be one of %q", *inputs.Logging, output.Loggings)})
	}
	return infer.CheckResponse[Inputs]{Inputs: inputs, Failures: failures}, err
}

// WireDependencies: what a command prints may hold any of its inputs, so one secret input makes the output secret.
func (*Command) WireDependencies(f infer.FieldSelector, inputs *Inputs, state *State) {
	f.OutputField(state).DependsOn(f.InputField(inputs))
}

// Create runs `create`, if there is one.
func (*Command) Create(
	ctx context.Context, request infer.CreateRequest[Inputs],
) (infer.CreateResponse[State], error) {
	state := State{Inputs: request.Inputs}
	id, err := resource.NewUniqueHex(request.Name, 8, 0)
	if err == nil && !request.DryRun && state.Create != nil {
		err = state.run(ctx, *state.Create)
	}
	return infer.CreateResponse[State]{ID: id, Output: state}, err
}

// Update runs `update`, or `create` where there is none; the command sees the previous run's output.
func (*Command) Update(
	ctx context.Context, request infer.UpdateRequest[Inputs, State],
) (infer.UpdateResponse[State], error) {
	state := State{Inputs: request.Inputs, Stdout: request.State.Stdout, Stderr: request.State.Stderr}
	command := state.Update
	if command == nil {
		command = state.Create
	}
	var err error
	if !request.DryRun && command != nil {
		err = state.run(ctx, *command)
	}
	return infer.UpdateResponse[State]{Output: state}, err
}

// Delete runs `delete`, if there is one, with the inputs of the last create or update.
func (*Command) Delete(ctx context.Context, request infer.DeleteRequest[State]) (infer.DeleteResponse, error) {
	var err error
	if command := request.State.Delete; command != nil {
		err = request.State.run(ctx, *command)
	}
	return infer.DeleteResponse{}, err
}
