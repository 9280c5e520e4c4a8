// Package output is what local and remote commands do alike with what a command prints.
package output

import (
	"bytes"
	"strings"
	"sync"
)

// Logging says which of the command's streams are shown while it runs.
type Logging string

// The ways to show them.
const (
	Stdout Logging = "stdout"
	Stderr Logging = "stderr"
	Both   Logging = "stdoutAndStderr"
	None   Logging = "none"
)

// Loggings are all of them.
var Loggings = []Logging{Stdout, Stderr, Both, None}

// Shows: without a word about it, both streams are shown.
func (l *Logging) Shows(stream Logging) bool {
	return l == nil || *l == Both || *l == stream
}

// Lines hands on whole lines as they come and remembers all of them for an error message.
type Lines struct {
	mu sync.Mutex
	// Say gets each line.
	Say     func(string)
	partial bytes.Buffer
	all     strings.Builder
}

func (l *Lines) Write(data []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all.Write(data)
	l.partial.Write(data)
	for {
		line, rest, found := bytes.Cut(l.partial.Bytes(), []byte("\n"))
		if !found {
			return len(data), nil
		}
		l.Say(string(line))
		l.partial = *bytes.NewBuffer(bytes.Clone(rest))
	}
}

// End hands on a last line that has no line end.
func (l *Lines) End() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.partial.Len() > 0 {
		l.Say(l.partial.String())
		l.partial.Reset()
	}
}

// All is everything that was written.
func (l *Lines) All() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.all.String()
}
