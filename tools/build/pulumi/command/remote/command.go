// Package remote provides the resource command:remote:Command. The package's name is part of that token.
package remote

import (
	"context"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi-go-provider/infer"

	"omniai.invalid/toolchain/command/lifecycle"
)

// Command runs on another machine, over SSH, when it is created, updated or deleted.
type Command struct {
	lifecycle.Commands[Inputs, State, *State]
}

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

// Inputs are what the program sets.
type Inputs struct {
	lifecycle.Common
	Connection *Connection `pulumi:"connection" provider:"secret"`
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
	if connection := request.NewInputs.Get("connection"); connection.IsMap() && !connection.AsMap().Get("proxy").IsNull() {
		failures = append(failures, p.CheckFailure{Property: "connection.proxy", Reason: "the command provider built by " +
			"tools/build goes through no proxy; use the official command plugin, or leave it out"})
	}
	failures = append(failures, inputs.CheckLogging()...)
	return infer.CheckResponse[Inputs]{Inputs: inputs, Failures: failures}, err
}

// WireDependencies: what a command prints may contain its inputs, but not how the machine was reached.
func (*Command) WireDependencies(f infer.FieldSelector, inputs *Inputs, state *State) {
	given := []infer.InputField{
		f.InputField(&inputs.Create), f.InputField(&inputs.Update), f.InputField(&inputs.Stdin), f.InputField(&inputs.Environment),
	}
	f.OutputField(&state.Stdout).DependsOn(given...)
	f.OutputField(&state.Stderr).DependsOn(given...)
}
