// Package remote gives the resource command:remote:Command; the package's name is part of that token.
package remote

import (
	"context"
	"fmt"
	"slices"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi-go-provider/infer"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"

	"omniai.invalid/toolchain/command/output"
)

// Command is a command that is run on another machine, over SSH, when it is created, updated or deleted.
type Command struct{}

// Connection says how the machine is reached. What is not set is nil, so that it stays out of the state.
type Connection struct {
	Host               string   `pulumi:"host"`
	Port               *float64 `pulumi:"port,optional"`
	User               *string  `pulumi:"user,optional"`
	Password           *string  `pulumi:"password,optional" provider:"secret"`
	PrivateKey         *string  `pulumi:"privateKey,optional" provider:"secret"`
	PrivateKeyPassword *string  `pulumi:"privateKeyPassword,optional" provider:"secret"`
	AgentSocketPath    *string  `pulumi:"agentSocketPath,optional"`
	HostKey            *string  `pulumi:"hostKey,optional"`
	DialErrorLimit     *int     `pulumi:"dialErrorLimit,optional"`
	PerDialTimeout     *int     `pulumi:"perDialTimeout,optional"`
}

// Inputs are what the program says.
type Inputs struct {
	Connection             *Connection       `pulumi:"connection" provider:"secret"`
	Create                 *string           `pulumi:"create,optional"`
	Update                 *string           `pulumi:"update,optional"`
	Delete                 *string           `pulumi:"delete,optional"`
	Triggers               *[]any            `pulumi:"triggers,optional" provider:"replaceOnChanges"`
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
	if connection := request.NewInputs.Get("connection"); connection.IsMap() && !connection.AsMap().Get("proxy").IsNull() {
		failures = append(failures, p.CheckFailure{Property: "connection.proxy", Reason: "the command provider built by " +
			"tools/build goes through no proxy; use the official command plugin, or leave it out"})
	}
	if inputs.Logging != nil && !slices.Contains(output.Loggings, *inputs.Logging) {
		failures = append(failures, p.CheckFailure{Property: "logging", Reason: fmt.Sprintf(
			"it is %q and has to be one of %q", *inputs.Logging, output.Loggings)})
	}
	return infer.CheckResponse[Inputs]{Inputs: inputs, Failures: failures}, err
}

// WireDependencies: what a command prints may hold what it was given, but not how the machine was reached.
func (*Command) WireDependencies(f infer.FieldSelector, inputs *Inputs, state *State) {
	given := []infer.InputField{
		f.InputField(&inputs.Create), f.InputField(&inputs.Update), f.InputField(&inputs.Stdin), f.InputField(&inputs.Environment),
	}
	f.OutputField(&state.Stdout).DependsOn(given...)
	f.OutputField(&state.Stderr).DependsOn(given...)
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
