package local

import (
	"bytes"
	"strings"
	"sync"
)

// Logging says which of the command's streams are shown while it runs.
type Logging string

const (
	logStdout Logging = "stdout"
	logStderr Logging = "stderr"
	logBoth   Logging = "stdoutAndStderr"
	logNone   Logging = "none"
)

var loggings = []Logging{logStdout, logStderr, logBoth, logNone}

// shows: without a word about it, both streams are shown.
func (l *Logging) shows(stream Logging) bool {
	return l == nil || *l == logBoth || *l == stream
}

// lineLog hands on whole lines as they come and remembers all of them for an error message.
type lineLog struct {
	mu      sync.Mutex
	say     func(string)
	partial bytes.Buffer
	all     strings.Builder
}

func (l *lineLog) Write(data []byte) (int, error) {
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
func (l *lineLog) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.partial.Len() > 0 {
		l.say(l.partial.String())
		l.partial.Reset()
	}
}
