package remote

import (
	"context"
	"fmt"
	"strings"

	"golang.org/x/crypto/ssh"

	"omniai.invalid/toolchain/command/lifecycle"
)

// Run runs the command in the login's shell.
func (s *State) Run(ctx context.Context, command string) error {
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
	streams := lifecycle.NewStreams(ctx, s.Logging)
	session.Stdout, session.Stderr = streams.Stdout, streams.Stderr
	// A cancelled run hangs up; sshd then ends the session's processes.
	stop := context.AfterFunc(ctx, func() { _ = client.Close() })
	defer stop()
	return streams.End(ctx, session.Run(command), command, &s.Output)
}

// setEnvironment: a server accepts only the variables that its AcceptEnv names. A variable of the program must not get
// lost; the ones that the provider adds may.
func (s *State) setEnvironment(session *ssh.Session) error {
	for name, value := range s.Environment {
		if err := session.Setenv(name, value); err != nil {
			return fmt.Errorf("the SSH server does not accept the variable %s; name it in its AcceptEnv, or write it into the command: %w", name, err)
		}
	}
	for name, value := range s.Output.Variables(&s.Common) {
		_ = session.Setenv(name, value)
	}
	return nil
}
