package lifecycle

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"

	p "github.com/pulumi/pulumi-go-provider"
)

// Logging says which of the command's streams are shown while it runs.
type Logging string

// The ways to show them. Without a word about it, both streams are shown.
const (
	Stdout Logging = "stdout"
	Stderr Logging = "stderr"
	Both   Logging = "stdoutAndStderr"
	None   Logging = "none"
)

var loggings = []Logging{Stdout, Stderr, Both, None}

func (l *Logging) shows(stream Logging) bool {
	return l == nil || *l == Both || *l == stream
}

// Streams take what one run prints: all of it for the state, and what may be logged also for the log.
type Streams struct {
	Stdout, Stderr io.Writer
	stdout, stderr bytes.Buffer
	log            lines
	logging        *Logging
}

// NewStreams is called once for each run.
func NewStreams(ctx context.Context, logging *Logging) *Streams {
	s := &Streams{logging: logging, log: lines{say: p.GetLogger(ctx).Info}}
	s.Stdout, s.Stderr = &s.stdout, &s.stderr
	if logging.shows(Stdout) {
		s.Stdout = io.MultiWriter(&s.stdout, &s.log)
	}
	if logging.shows(Stderr) {
		s.Stderr = io.MultiWriter(&s.stderr, &s.log)
	}
	return s
}

// End keeps what was printed by a run that succeeded, and explains one that failed. The explanation never shows the
// command or a stream that must not be logged, because either may hold a secret.
func (s *Streams) End(ctx context.Context, err error, command string, kept *Output) error {
	s.log.end()
	if err == nil {
		kept.Stdout = strings.TrimSuffix(s.stdout.String(), "\n")
		kept.Stderr = strings.TrimSuffix(s.stderr.String(), "\n")
		return nil
	}
	if ctx.Err() != nil {
		err = errors.Join(err, ctx.Err())
	}
	if s.logging != nil && *s.logging == None {
		return fmt.Errorf(`%w (the command and its output are not shown, because logging is "none")`, err)
	}
	return fmt.Errorf("%w: running %q:\n%s", err, command, s.log.all.String())
}

// lines hands on whole lines as they come and remembers all of them. Both streams of a command write into it.
type lines struct {
	mu      sync.Mutex
	say     func(string)
	partial bytes.Buffer
	all     strings.Builder
}

func (l *lines) Write(data []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all.Write(data)
	l.partial.Write(data)
	for {
		line, rest, found := bytes.Cut(l.partial.Bytes(), []byte("\n"))
		if !found {
			return len(data), nil
		}
		l.say(string(line))
		l.partial = *bytes.NewBuffer(bytes.Clone(rest))
	}
}

// end hands on a last line that has no line end.
func (l *lines) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.partial.Len() > 0 {
		l.say(l.partial.String())
		l.partial.Reset()
	}
}
