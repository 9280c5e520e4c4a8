// Package lifecycle holds what local and remote commands have in common: their inputs and outputs, when they run, and
// what becomes of what they print.
package lifecycle

import (
	"context"
	"fmt"
	"slices"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi-go-provider/infer"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
)

// Common are the inputs of every command. What is not set is nil, so that it stays out of the state.
type Common struct {
	Create                 *string           `pulumi:"create,optional"`
	Update                 *string           `pulumi:"update,optional"`
	Delete                 *string           `pulumi:"delete,optional"`
	Triggers               *[]any            `pulumi:"triggers,optional" provider:"replaceOnChanges"`
	Environment            map[string]string `pulumi:"environment,optional"`
	Stdin                  *string           `pulumi:"stdin,optional"`
	Logging                *Logging          `pulumi:"logging,optional"`
	AddPreviousOutputInEnv *bool             `pulumi:"addPreviousOutputInEnv,optional"`
}

func (c *Common) common() *Common { return c }

// CheckLogging refuses an unknown way to log.
func (c *Common) CheckLogging() []p.CheckFailure {
	if c.Logging == nil || slices.Contains(loggings, *c.Logging) {
		return nil
	}
	return []p.CheckFailure{{Property: "logging", Reason: fmt.Sprintf("%q is not one of %q", *c.Logging, loggings)}}
}

// Output is what the last run that succeeded printed.
type Output struct {
	Stdout string `pulumi:"stdout"`
	Stderr string `pulumi:"stderr"`
}

func (o *Output) output() *Output { return o }

// Variables give a command the output of the run before it, unless the program switched that off.
func (o *Output) Variables(inputs *Common) map[string]string {
	environment := map[string]string{}
	if inputs.AddPreviousOutputInEnv != nil && !*inputs.AddPreviousOutputInEnv {
		return environment
	}
	if o.Stdout != "" {
		environment["PULUMI_COMMAND_STDOUT"] = o.Stdout
	}
	if o.Stderr != "" {
		environment["PULUMI_COMMAND_STDERR"] = o.Stderr
	}
	return environment
}

// State is the state of one kind of command. Its struct embeds its inputs, which embed Common, and Output.
type State[I any] interface {
	common() *Common
	output() *Output
	// SetInputs replaces the inputs and leaves the output.
	SetInputs(inputs I)
	// Run runs the command and keeps what it printed. A failed run leaves the output as it was.
	Run(ctx context.Context, command string) error
}

// Commands creates, updates and deletes one kind of command. A resource embeds it.
type Commands[I, S any, P interface {
	*S
	State[I]
}] struct{}

// Create runs `create`, if there is one.
func (Commands[I, S, P]) Create(
	ctx context.Context, request infer.CreateRequest[I],
) (infer.CreateResponse[S], error) {
	var state S
	P(&state).SetInputs(request.Inputs)
	id, err := resource.NewUniqueHex(request.Name, 8, 0)
	if command := P(&state).common().Create; err == nil && !request.DryRun && command != nil {
		err = P(&state).Run(ctx, *command)
	}
	return infer.CreateResponse[S]{ID: id, Output: state}, err
}

// Update runs `update`, or `create` where there is none. The command sees the previous run's output.
func (Commands[I, S, P]) Update(
	ctx context.Context, request infer.UpdateRequest[I, S],
) (infer.UpdateResponse[S], error) {
	var state S
	P(&state).SetInputs(request.Inputs)
	*P(&state).output() = *P(&request.State).output()
	command := P(&state).common().Update
	if command == nil {
		command = P(&state).common().Create
	}
	var err error
	if !request.DryRun && command != nil {
		err = P(&state).Run(ctx, *command)
	}
	return infer.UpdateResponse[S]{Output: state}, err
}

// Delete runs `delete`, if there is one, with the inputs of the last create or update.
func (Commands[I, S, P]) Delete(ctx context.Context, request infer.DeleteRequest[S]) (infer.DeleteResponse, error) {
	var err error
	if command := P(&request.State).common().Delete; command != nil {
		err = P(&request.State).Run(ctx, *command)
	}
	return infer.DeleteResponse{}, err
}
