// Sends one kind of request over connections that are kept, as fast as they are answered or at a constant rate, and
// prints how many were answered, how long they took, and how much of a processor it used itself.
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net"
	"net/textproto"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

var (
	address     = flag.String("address", "", "host:port to send to")
	host        = flag.String("host", "", "the name that the server is asked by; empty: the address")
	path        = flag.String("path", "/", "the target of each request")
	body        = flag.String("body", "", "sent by POST as JSON; empty: GET")
	connections = flag.Int("connections", 50, "connections, each with one request at a time")
	rate        = flag.Float64("rate", 0, "requests a second in all; 0: as many as are answered")
	duration    = flag.Duration("duration", 5*time.Second, "how long requests are sent")
)

// account is what one connection has seen.
type account struct {
	took   []time.Duration
	failed int
}

type result struct {
	Answered   int     `json:"answered"`
	Failed     int     `json:"failed"` // answers of other than 2xx, and broken connections
	PerSecond  float64 `json:"perSecond"`
	P50        float64 `json:"p50"` // ms
	P99        float64 `json:"p99"` // ms
	CPUSeconds float64 `json:"cpuSeconds"`
}

func main() {
	flag.Parse()
	if *host == "" {
		*host = *address
	}
	request := []byte(fmt.Sprintf("GET %s HTTP/1.1\r\nHost: %s\r\n\r\n", *path, *host))
	if *body != "" {
		request = []byte(fmt.Sprintf(
			"POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
			*path, *host, len(*body), *body))
	}
	accounts := make([]account, *connections)
	start := time.Now()
	var all sync.WaitGroup
	for i := range accounts {
		all.Add(1)
		go func() {
			defer all.Done()
			accounts[i] = send(request, start, i)
		}()
	}
	all.Wait()
	seconds := time.Since(start).Seconds()
	var out result
	var took []time.Duration
	for _, one := range accounts {
		took = append(took, one.took...)
		out.Failed += one.failed
	}
	slices.Sort(took)
	out.Answered = len(took)
	out.PerSecond = float64(len(took)) / seconds
	if len(took) > 0 {
		out.P50 = milliseconds(took[len(took)/2])
		out.P99 = milliseconds(took[len(took)*99/100])
	}
	var usage syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &usage) == nil {
		out.CPUSeconds = float64(usage.Utime.Nano()+usage.Stime.Nano()) / 1e9
	}
	_ = json.NewEncoder(os.Stdout).Encode(out)
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// send uses one connection until the time is up. At a constant rate the connections take turns, and the time of a request
// counts from when it was due, so that a server that is slow is not asked less.
func send(request []byte, start time.Time, index int) (seen account) {
	var interval time.Duration
	due := start
	if *rate > 0 {
		interval = time.Duration(float64(*connections) / *rate * float64(time.Second))
		due = start.Add(interval * time.Duration(index) / time.Duration(*connections))
	}
	for time.Since(start) < *duration {
		connection, err := net.DialTimeout("tcp", *address, 2*time.Second)
		if err != nil {
			seen.failed++
			time.Sleep(50 * time.Millisecond)
			continue
		}
		reader := bufio.NewReader(connection)
		for time.Since(start) < *duration {
			if interval > 0 {
				time.Sleep(time.Until(due))
			} else {
				due = time.Now()
			}
			_ = connection.SetDeadline(time.Now().Add(10 * time.Second))
			_, err = connection.Write(request)
			var good, last bool
			if err == nil {
				good, last, err = answer(reader)
			}
			if err != nil || !good {
				seen.failed++
			} else {
				seen.took = append(seen.took, time.Since(due))
			}
			due = due.Add(interval)
			if err != nil || last {
				break
			}
		}
		_ = connection.Close()
	}
	return seen
}

// answer reads one response: whether its status is 2xx, and whether it is the connection's last.
func answer(reader *bufio.Reader) (good, last bool, err error) {
	line, err := reader.ReadSlice('\n')
	if err != nil {
		return false, true, err
	}
	good = bytes.HasPrefix(line, []byte("HTTP/1.1 2"))
	length := int64(-1)
	for {
		line, err = reader.ReadSlice('\n')
		if err != nil {
			return false, true, err
		}
		line = bytes.TrimSpace(line)
		if len(line) == 0 {
			break
		}
		name, value, _ := bytes.Cut(line, []byte(":"))
		switch textproto.CanonicalMIMEHeaderKey(string(name)) {
		case "Content-Length":
			length, err = strconv.ParseInt(string(bytes.TrimSpace(value)), 10, 64)
			if err != nil {
				return false, true, err
			}
		case "Connection":
			last = strings.EqualFold(string(bytes.TrimSpace(value)), "close")
		}
	}
	if length < 0 {
		return false, true, fmt.Errorf("an answer without Content-Length")
	}
	_, err = io.CopyN(io.Discard, reader, length)
	return good, last, err
}
