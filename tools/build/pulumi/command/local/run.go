package local

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"

	p "github.com/pulumi/pulumi-go-provider"

	"omniai.invalid/toolchain/command/output"
)

// How long a cancelled command has between being asked to stop and being killed.
const cancelGrace = 3 * time.Second

// run runs the command in the interpreter and keeps what it printed. A failed run leaves the outputs as they were.
func (s *State) run(ctx context.Context, command string) error {
	interpreter := s.Interpreter
	if len(interpreter) == 0 {
		interpreter = []string{"/bin/sh", "-c"}
		if runtime.GOOS == "windows" {
			interpreter = []string{"cmd", "/C"}
		}
	}
	cmd := exec.CommandContext(ctx, interpreter[0], append(interpreter[1:len(interpreter):len(interpreter)], command)...)
	cmd.Env = s.environment()
	if s.Dir != nil {
		cmd.Dir = *s.Dir
	}
	if s.Stdin != nil {
		cmd.Stdin = strings.NewReader(*s.Stdin)
	}
	cmd.Cancel = func() error { return stopTree(cmd.Process.Pid, cancelGrace) }
	// A grandchild that went on and holds the pipes must not keep a cancelled command from ending.
	cmd.WaitDelay = cancelGrace + time.Second

	var stdout, stderr bytes.Buffer
	log := &output.Lines{Say: p.GetLogger(ctx).Info}
	cmd.Stdout, cmd.Stderr = io.Writer(&stdout), io.Writer(&stderr)
	if s.Logging.Shows(output.Stdout) {
		cmd.Stdout = io.MultiWriter(&stdout, log)
	}
	if s.Logging.Shows(output.Stderr) {
		cmd.Stderr = io.MultiWriter(&stderr, log)
	}
	err := cmd.Run()
	log.End()
	if err != nil {
		return s.explain(ctx, err, command, log.All())
	}
	s.Stdout = strings.TrimSuffix(stdout.String(), "\n")
	s.Stderr = strings.TrimSuffix(stderr.String(), "\n")
	return nil
}

func (s *State) environment() []string {
	environment := os.Environ()
	for name, value := range s.Environment {
		environment = append(environment, name+"="+value)
	}
	if s.AddPreviousOutputInEnv == nil || *s.AddPreviousOutputInEnv {
		if s.Stdout != "" {
			environment = append(environment, "PULUMI_COMMAND_STDOUT="+s.Stdout)
		}
		if s.Stderr != "" {
			environment = append(environment, "PULUMI_COMMAND_STDERR="+s.Stderr)
		}
	}
	return environment
}

// explain never shows the command or a stream that must not be logged: either may hold a secret.
func (s *State) explain(ctx context.Context, err error, command, shown string) error {
	if ctx.Err() != nil {
		err = errors.Join(err, ctx.Err())
	}
	if s.Logging != nil && *s.Logging == output.None {
		return fmt.Errorf(`%w (the command and its output are not shown, because logging is "none")`, err)
	}
	return fmt.Errorf("%w: running %q:\n%s", err, command, shown)
}
