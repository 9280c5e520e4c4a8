package remote

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	p "github.com/pulumi/pulumi-go-provider"
	"golang.org/x/crypto/ssh"

	"omniai.invalid/toolchain/command/output"
)

func isAuth(err error) bool { return strings.Contains(err.Error(), "unable to authenticate") }

// run runs the command in the login's shell and keeps what it printed. A failed run leaves the outputs as they were.
func (s *State) run(ctx context.Context, command string) error {
	client, err := s.Connection.dial(ctx)
	if err != nil {
		return err
	}
	defer client.Close()
	session, err := client.NewSession()
	if err != nil {
		return fmt.Errorf("the host opens no session: %w", err)
	}
	defer session.Close()
	if err := s.setEnvironment(session); err != nil {
		return err
	}
	if s.Stdin != nil {
		session.Stdin = strings.NewReader(*s.Stdin)
	}
	var stdout, stderr bytes.Buffer
	log := &output.Lines{Say: p.GetLogger(ctx).Info}
	session.Stdout, session.Stderr = io.Writer(&stdout), io.Writer(&stderr)
	if s.Logging.Shows(output.Stdout) {
		session.Stdout = io.MultiWriter(&stdout, log)
	}
	if s.Logging.Shows(output.Stderr) {
		session.Stderr = io.MultiWriter(&stderr, log)
	}
	// A cancelled run hangs up; sshd then ends the session's processes.
	stop := context.AfterFunc(ctx, func() { _ = client.Close() })
	defer stop()
	err = session.Run(command)
	log.End()
	if err != nil {
		return s.explain(ctx, err, command, log.All())
	}
	s.Stdout = strings.TrimSuffix(stdout.String(), "\n")
	s.Stderr = strings.TrimSuffix(stderr.String(), "\n")
	return nil
}

// setEnvironment: the server takes only what its AcceptEnv names. What the program asked for must not get lost; what the
// provider adds by itself may.
func (s *State) setEnvironment(session *ssh.Session) error {
	for name, value := range s.Environment {
		if err := session.Setenv(name, value); err != nil {
			return fmt.Errorf("the SSH server does not take the variable %s; name it in its AcceptEnv, or write it into the command: %w", name, err)
		}
	}
	if or(s.AddPreviousOutputInEnv, true) {
		if s.Stdout != "" {
			_ = session.Setenv("PULUMI_COMMAND_STDOUT", s.Stdout)
		}
		if s.Stderr != "" {
			_ = session.Setenv("PULUMI_COMMAND_STDERR", s.Stderr)
		}
	}
	return nil
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
