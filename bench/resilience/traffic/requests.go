// Requests of one kind at a constant rate, and the account of each.

package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"regexp"
	"sync"
	"sync/atomic"
	"time"
)

// kinds of requests, as they stand in the account.
const (
	kindGet = iota
	kindRow
	kindEvent
)

// failure is a request that was not answered with a 2xx, or that had to be sent twice.
type failure struct {
	At         int64  `json:"at"` // Unix ms
	Kind       int    `json:"kind"`
	Number     int64  `json:"number"`
	Ms         int64  `json:"ms"`
	Status     int    `json:"status"` // 0: no answer
	RetryAfter string `json:"retryAfter,omitempty"`
	Why        string `json:"why"`
}

type requests struct {
	clients  [2]*http.Client // HTTP/1.1, HTTP/2
	stopping context.Context
	cancel   context.CancelFunc
	loops    sync.WaitGroup
	pending  sync.WaitGroup

	sync.Mutex
	// at (Unix ms), kind, milliseconds, status, index of the replica that answered or -1
	samples  [][5]int64
	failures []failure
	replicas map[string]int64
	sent     [3]int64
	acked    []int64 // numbers of acknowledged events
}

func startRequests() *requests {
	r := &requests{
		clients: [2]*http.Client{
			{Transport: newTransport(128, false), Timeout: *timeout},
			{Transport: newTransport(128, true), Timeout: *timeout},
		},
		replicas: map[string]int64{},
	}
	r.stopping, r.cancel = context.WithCancel(context.Background())
	r.loops.Add(2)
	go r.atRate(*rate, func(n int64, due time.Time) {
		if n%2 == 0 {
			r.one(kindGet, n/2, due)
		} else {
			r.one(kindRow, n/2, due)
		}
	})
	go r.atRate(*events, func(n int64, due time.Time) { r.one(kindEvent, n, due) })
	return r
}

// atRate starts work on time, whether or not earlier work has ended.
func (r *requests) atRate(perSecond float64, work func(n int64, due time.Time)) {
	defer r.loops.Done()
	if perSecond <= 0 {
		return
	}
	start, interval := time.Now(), time.Duration(float64(time.Second)/perSecond)
	for n := int64(0); ; n++ {
		due := start.Add(time.Duration(n) * interval)
		select {
		case <-r.stopping.Done():
			return
		case <-time.After(time.Until(due)):
		}
		r.pending.Add(1)
		go func(n int64) {
			defer r.pending.Done()
			work(n, due)
		}(n)
	}
}

func (r *requests) stop() {
	r.cancel()
	r.loops.Wait()
	r.pending.Wait()
}

func build(kind int, n int64) (*http.Request, error) {
	switch kind {
	case kindGet:
		return http.NewRequest(http.MethodGet, *base+*getPath, nil)
	case kindRow:
		return post("/api/diag/client-reports", fmt.Sprintf(`{"client":"%s-%08d"}`, *run, n))
	default:
		return post("/api/events", fmt.Sprintf(`{"type":"numbered","data":{"n":%d}}`, n))
	}
}

func post(path, body string) (*http.Request, error) {
	request, err := http.NewRequest(http.MethodPost, *base+path, bytes.NewBufferString(body))
	if err == nil {
		request.Header.Set("Content-Type", "application/json")
	}
	return request, err
}

var replicaName = regexp.MustCompile(`"replica":"([^"]+)"`)

// one makes a request and notes what became of it. Its time counts from when it was due. Every other one of a kind goes
// over HTTP/2.
func (r *requests) one(kind int, n int64, due time.Time) {
	request, err := build(kind, n)
	if err != nil {
		panic(err)
	}
	// Go sends a request again when a kept connection breaks under it. Other clients may not, so it counts as failed. Over
	// HTTP/2 it does so only with what the server said it has not begun (GOAWAY, RFC 9113 6.8), which every client may.
	var written, repeated atomic.Bool
	request = request.WithContext(httptrace.WithClientTrace(context.Background(), &httptrace.ClientTrace{
		GotConn:      func(httptrace.GotConnInfo) { repeated.Store(repeated.Load() || written.Load()) },
		WroteHeaders: func() { written.Store(true) },
	}))
	answer, err := r.clients[n%2].Do(request)
	var body []byte
	status, retryAfter, isHTTP2 := 0, "", false
	if err == nil {
		status, retryAfter = answer.StatusCode, answer.Header.Get("Retry-After")
		isHTTP2 = answer.ProtoMajor == 2
		body, err = io.ReadAll(answer.Body)
		answer.Body.Close()
	}
	ms := time.Since(due).Milliseconds()

	r.Lock()
	defer r.Unlock()
	r.sent[kind] = max(r.sent[kind], n+1)
	why := ""
	switch {
	case err != nil:
		status, why = 0, err.Error()
	case status/100 != 2:
		why = string(body[:min(len(body), 160)])
	case repeated.Load() && !isHTTP2:
		why = "its connection was closed under it; sent again by the client"
	}
	replica := int64(-1)
	if why != "" {
		r.failures = append(r.failures, failure{due.UnixMilli(), kind, n, ms, status, retryAfter, why})
	} else if kind == kindEvent {
		r.acked = append(r.acked, n)
	} else if found := replicaName.FindSubmatch(body); kind == kindGet && found != nil {
		index, known := r.replicas[string(found[1])]
		if !known {
			index = int64(len(r.replicas))
			r.replicas[string(found[1])] = index
		}
		replica = index
	}
	r.samples = append(r.samples, [5]int64{due.UnixMilli(), int64(kind), ms, int64(status), replica})
}

func (r *requests) acknowledgedEvents() []int64 {
	r.Lock()
	defer r.Unlock()
	return append([]int64(nil), r.acked...)
}

func (r *requests) report() map[string]any {
	names := make([]string, len(r.replicas))
	for name, index := range r.replicas {
		names[index] = name
	}
	return map[string]any{"samples": r.samples, "failures": r.failures, "replicas": names, "sent": r.sent}
}
