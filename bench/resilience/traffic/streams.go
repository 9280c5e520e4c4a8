// Streams that follow the events, and the account of what each has seen.

package main

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"math/rand"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// quiet is the shortest silence of a stream that is noted.
const quiet = time.Second

// silence is a time in which a stream got no event, in Unix ms.
type silence struct {
	From   int64 `json:"from"`
	To     int64 `json:"to"`
	Stream int   `json:"stream"`
}

// follower is one client: what it saw, and how often it had to come back.
type follower struct {
	index      int
	sync.Mutex // of all below; taken once an event
	seen       map[int64]int
	lastID     string
	disorders  int64
	resets     int64
	last       time.Time // of the last event
	silences   []silence
	connects   int64
	leaves     int64 // of its own accord
	refusals   int64 // answers other than 200, which end a browser's EventSource for ever
	retry      time.Duration
	leaving    atomic.Bool
}

type followers struct {
	all     []*follower
	open    atomic.Int64
	got     atomic.Int64 // events, of all streams together
	stopped context.Context
	stop    context.CancelFunc
	running sync.WaitGroup
	series  [][3]int64 // Unix ms, open streams, events so far
}

func startFollowers(count int) *followers {
	f := &followers{all: make([]*follower, count)}
	f.stopped, f.stop = context.WithCancel(context.Background())
	client := &http.Client{Transport: newTransport(1, false)}
	for i := range f.all {
		f.all[i] = &follower{index: i, seen: map[int64]int{}, retry: time.Second, last: time.Now()}
		f.running.Add(1)
		go func(one *follower) {
			defer f.running.Done()
			sleep(f.stopped, time.Duration(float64(*ramp)*float64(one.index)/float64(count)))
			one.follow(f, client)
		}(f.all[i])
	}
	f.running.Add(1)
	go f.sample()
	return f
}

func (f *followers) sample() {
	defer f.running.Done()
	for f.stopped.Err() == nil {
		f.series = append(f.series, [3]int64{time.Now().UnixMilli(), f.open.Load(), f.got.Load()})
		sleep(f.stopped, 250*time.Millisecond)
	}
}

func (f *followers) awaitOpen(patience time.Duration) {
	for end := time.Now().Add(patience); f.open.Load() < int64(len(f.all)) && time.Now().Before(end); {
		time.Sleep(20 * time.Millisecond)
	}
	// A stream is open before the server has put it among those that get events.
	time.Sleep(time.Second)
	for _, one := range f.all {
		one.Lock()
		one.last = time.Now()
		one.Unlock()
	}
}

// end waits until every follower has every acknowledged event, or the time is over. Silences count until `published`.
func (f *followers) end(published time.Time, acknowledged []int64) {
	for end := time.Now().Add(*settle); time.Now().Before(end) && f.lost(acknowledged) > 0; {
		time.Sleep(200 * time.Millisecond)
	}
	f.stop()
	f.running.Wait()
	for _, one := range f.all {
		one.note(published)
	}
}

func (f *followers) lost(acknowledged []int64) (lost int64) {
	for _, one := range f.all {
		one.Lock()
		for _, n := range acknowledged {
			if one.seen[n] == 0 {
				lost++
			}
		}
		one.Unlock()
	}
	return lost
}

func (one *follower) follow(f *followers, client *http.Client) {
	for f.stopped.Err() == nil {
		one.attempt(f, client)
		if one.leaving.Swap(false) {
			one.leaves++
			continue
		}
		// Browsers add some randomness of their own.
		sleep(f.stopped, one.retry+time.Duration(rand.Int63n(int64(100*time.Millisecond))))
	}
}

func (one *follower) attempt(f *followers, client *http.Client) {
	visit, leave := context.WithCancel(f.stopped)
	defer leave()
	if *stay > 0 {
		length := *stay/2 + time.Duration(rand.Int63n(int64(*stay)))
		timer := time.AfterFunc(length, func() {
			one.leaving.Store(true)
			leave()
		})
		defer timer.Stop()
	}
	request, err := http.NewRequestWithContext(visit, http.MethodGet, *base+"/api/events", nil)
	if err != nil {
		panic(err)
	}
	request.Header.Set("Accept", "text/event-stream")
	if one.lastID != "" {
		request.Header.Set("Last-Event-ID", one.lastID)
	}
	one.connects++
	answer, err := client.Do(request)
	if err != nil {
		return
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		one.refusals++
		return
	}
	f.open.Add(1)
	defer f.open.Add(-1)
	one.read(f, answer.Body)
}

// read parses one stream until it ends (WHATWG HTML 9.2.6).
func (one *follower) read(f *followers, body io.Reader) {
	lines := bufio.NewReaderSize(body, 4096)
	id, event, number := one.lastID, "", int64(-1)
	for {
		line, err := lines.ReadSlice('\n')
		if err != nil {
			return
		}
		line = bytes.TrimRight(line, "\r\n")
		name, value, _ := bytes.Cut(line, []byte(":"))
		value = bytes.TrimPrefix(value, []byte(" "))
		switch string(name) {
		case "":
			if len(line) == 0 {
				one.dispatch(f, id, event, number)
				event, number = "", -1
			}
		case "id":
			id = string(value)
		case "event":
			event = string(value)
		case "retry":
			if ms, err := strconv.Atoi(string(value)); err == nil {
				one.retry = time.Duration(ms) * time.Millisecond
			}
		case "data":
			if _, digits, found := bytes.Cut(value, []byte(`"n":`)); found {
				end := bytes.IndexFunc(digits, func(r rune) bool { return r < '0' || r > '9' })
				if n, err := strconv.ParseInt(string(digits[:max(end, 0)]), 10, 64); err == nil {
					number = n
				}
			}
		}
	}
}

func (one *follower) dispatch(f *followers, id, event string, number int64) {
	one.Lock()
	defer one.Unlock()
	before := one.lastID
	one.lastID = id
	if event == "reset" {
		one.resets++
	}
	if event != "numbered" || number < 0 {
		return
	}
	f.got.Add(1)
	one.seen[number]++
	if !isAfter(id, before) {
		one.disorders++
	}
	one.noteLocked(time.Now())
}

func (one *follower) note(now time.Time) {
	one.Lock()
	defer one.Unlock()
	one.noteLocked(now)
}

func (one *follower) noteLocked(now time.Time) {
	if now.Sub(one.last) >= quiet {
		one.silences = append(one.silences, silence{one.last.UnixMilli(), now.UnixMilli(), one.index})
	}
	one.last = now
}

// isAfter compares ids of the log, <epoch>-<ms>-<seq>: within an epoch they only grow.
func isAfter(id, before string) bool {
	a, b := bytes.Split([]byte(id), []byte("-")), bytes.Split([]byte(before), []byte("-"))
	if len(a) != 3 || len(b) != 3 || !bytes.Equal(a[0], b[0]) {
		return true
	}
	number := func(digits []byte) int64 {
		n, _ := strconv.ParseInt(string(digits), 10, 64)
		return n
	}
	if number(a[1]) != number(b[1]) {
		return number(a[1]) > number(b[1])
	}
	return number(a[2]) > number(b[2])
}

func (f *followers) report(acknowledged []int64) map[string]any {
	var doubled, disorders, resets, connects, refusals int64
	silences := []silence{}
	for _, one := range f.all {
		for _, times := range one.seen {
			doubled += int64(times - 1)
		}
		disorders, resets = disorders+one.disorders, resets+one.resets
		connects, refusals = connects+one.connects-one.leaves, refusals+one.refusals
		silences = append(silences, one.silences...)
	}
	return map[string]any{
		"count": len(f.all), "acknowledged": len(acknowledged), "lost": f.lost(acknowledged),
		"doubled": doubled, "disordered": disorders, "resets": resets,
		"reconnects": connects - int64(len(f.all)), "refusals": refusals,
		"delivered": f.got.Load(), "silences": silences, "series": f.series,
	}
}

func sleep(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
