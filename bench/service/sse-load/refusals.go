// What ends or never begins is told apart by its cause, as the server or the kernel says it.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sort"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// refusals counts by cause what kept a stream from being open, until the load itself ends them.
type refusals struct {
	sync.Mutex
	total  atomic.Int64
	causes map[string]*cause
}

type cause struct {
	What  string `json:"what"`
	Count int64  `json:"count"`
	// Of the first one: when (Unix ms), and how many streams were open then.
	FirstAt int64 `json:"first_at_ms"`
	Open    int64 `json:"open"`
}

var refused = &refusals{causes: map[string]*cause{}}

func (r *refusals) note(ctx context.Context, what string) {
	if ctx.Err() != nil {
		return
	}
	r.total.Add(1)
	r.Lock()
	defer r.Unlock()
	one := r.causes[what]
	if one == nil {
		one = &cause{What: what, FirstAt: time.Now().UnixMilli(), Open: admitted.Load()}
		r.causes[what] = one
	}
	one.Count++
}

// list has the earliest cause first.
func (r *refusals) list() []cause {
	r.Lock()
	defer r.Unlock()
	all := []cause{}
	for _, one := range r.causes {
		all = append(all, *one)
	}
	sort.Slice(all, func(i, j int) bool { return all[i].FirstAt < all[j].FirstAt })
	return all
}

// reasonOf leaves out addresses and ports, which differ from one failure to the next.
func reasonOf(err error) string {
	var number syscall.Errno
	var network net.Error
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "the end of its connection"
	case errors.As(err, &number) && number == syscall.EMFILE:
		return "the load: too many open files"
	case errors.As(err, &number) && number == syscall.EADDRNOTAVAIL:
		return "the load: no free port"
	case errors.As(err, &number):
		return number.Error()
	case errors.As(err, &network) && network.Timeout():
		return "a timeout"
	}
	return err.Error()
}

// problemOf is the status with the type of the problem that the answer names (RFC 9457).
func problemOf(res *http.Response) string {
	var problem struct {
		Type string `json:"type"`
	}
	text, _ := io.ReadAll(io.LimitReader(res.Body, 4096))
	if json.Unmarshal(text, &problem) == nil && problem.Type != "" {
		return fmt.Sprintf("%d %s", res.StatusCode, problem.Type)
	}
	return fmt.Sprint(res.StatusCode)
}

// raiseDescriptors lets this process open a file for each client and some more, as far as the system allows it.
func raiseDescriptors() {
	var limit syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit) != nil {
		return
	}
	wanted := uint64(*clients+*deaf) + 1024
	if wanted > limit.Cur {
		// Above the hard limit only root may go. Where it may not, the cause is said when the limit is met.
		_ = syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: wanted, Max: max(wanted, limit.Max)})
	}
}

func cpuSeconds() float64 {
	var usage syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &usage) != nil {
		return 0
	}
	return float64(usage.Utime.Nano()+usage.Stime.Nano()) / 1e9
}
