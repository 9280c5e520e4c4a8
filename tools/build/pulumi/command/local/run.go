package local

import (
	"context"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"

	"omniai.invalid/toolchain/command/lifecycle"
)

// How long a cancelled command has between being asked to stop and being killed.
const cancelGrace = 3 * time.Second

// Run runs the command in the interpreter.
func (s *State) Run(ctx context.Context, command string) error {
	interpreter := s.Interpreter
	if len(interpreter) == 0 {
		interpreter = []string{"/bin/sh", "-c"}
		if runtime.GOOS == "windows" {
			interpreter = []string{"cmd", "/C"}
		}
	}
	cmd := exec.CommandContext(ctx, interpreter[0], append(interpreter[1:len(interpreter):len(interpreter)], command)...)
	cmd.Env = os.Environ()
	for _, variables := range []map[string]string{s.Environment, s.Output.Variables(&s.Common)} {
		for name, value := range variables {
			cmd.Env = append(cmd.Env, name+"="+value)
		}
	}
	if s.Dir != nil {
		cmd.Dir = *s.Dir
	}
	if s.Stdin != nil {
		cmd.Stdin = strings.NewReader(*s.Stdin)
	}
	cmd.Cancel = func() error { return stopTree(cmd.Process.Pid, cancelGrace) }
	// A grandchild that goes on and holds the pipes must not keep a cancelled command from ending.
	cmd.WaitDelay = cancelGrace + time.Second

	streams := lifecycle.NewStreams(ctx, s.Logging)
	cmd.Stdout, cmd.Stderr = streams.Stdout, streams.Stderr
	return streams.End(ctx, cmd.Run(), command, &s.Output)
}
