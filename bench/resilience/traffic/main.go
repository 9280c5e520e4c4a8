// Command traffic puts the load of `npm run bench:resilience` on a stack, and keeps an exact account of it: requests at
// a constant rate, half of them GET and half POST that each write a numbered row, half over HTTP/1.1 and half over HTTP/2,
// and streams that follow numbered events and resume as a browser does. It runs until its standard input ends; then it waits for what is under way and
// writes what became of every request and every stream to standard output, as JSON.
package main

import (
	"bufio"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

var (
	base    = flag.String("url", "", "where the stack answers, without a path")
	dial    = flag.String("dial", "", "host:port that is connected to in place of the URL's, which stays the name that the server is asked by; of several, separated by commas, each new connection goes to the next")
	rate    = flag.Float64("rate", 200, "requests per second, half GET and half POST; started on time whatever becomes of others")
	streams = flag.Int("streams", 500, "event streams held open")
	events  = flag.Float64("events", 20, "events published per second, beside the requests")
	getPath = flag.String("get", "/api/diag", "path of the GET requests")
	run     = flag.String("run", "", "begins the name of every row: letters, digits, - and _")
	ramp    = flag.Duration("ramp", 5*time.Second, "time over which the streams are opened")
	stay    = flag.Duration("stay", time.Minute, "how long a client keeps a stream before it leaves and resumes, as pages that are opened anew; half to one and a half of it; 0: for ever")
	timeout = flag.Duration("timeout", 15*time.Second, "longest wait for an answer")
	settle  = flag.Duration("settle", 20*time.Second, "longest wait for acknowledged events at the end")
)

// certificates that servers showed, by SHA-256, with the time (Unix ms) of their first and last showing. A stack's
// certificate is its own, so nobody vouches for it; who reads the account compares it with what the stack has.
var certificates = struct {
	sync.Mutex
	seen map[string][2]int64
}{seen: map[string][2]int64{}}

func noteCertificate(state tls.ConnectionState) error {
	if len(state.PeerCertificates) == 0 {
		return fmt.Errorf("no certificate")
	}
	sum := sha256.Sum256(state.PeerCertificates[0].Raw)
	name, now := hex.EncodeToString(sum[:]), time.Now().UnixMilli()
	certificates.Lock()
	defer certificates.Unlock()
	times, known := certificates.seen[name]
	if !known {
		times[0] = now
	}
	times[1] = now
	certificates.seen[name] = times
	return nil
}

// newTransport speaks HTTP/1.1, as a proxy or tunnel in front does, or HTTP/2 where the server does, as browsers do.
func newTransport(idle int, http2 bool) *http.Transport {
	dialer := net.Dialer{Timeout: 10 * time.Second}
	addresses := strings.Split(*dial, ",")
	var turn atomic.Uint64
	return &http.Transport{
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			if *dial != "" {
				address = addresses[turn.Add(1)%uint64(len(addresses))]
			}
			return dialer.DialContext(ctx, network, address)
		},
		TLSClientConfig:     &tls.Config{InsecureSkipVerify: true, VerifyConnection: noteCertificate},
		MaxIdleConns:        idle,
		MaxIdleConnsPerHost: idle,
		// Well below what the edge keeps open: a client may not count on an idle connection.
		IdleConnTimeout:    2 * time.Second,
		DisableCompression: true,
		ForceAttemptHTTP2:  http2,
	}
}

func main() {
	flag.Parse()
	if *base == "" || *run == "" {
		flag.Usage()
		os.Exit(2)
	}
	out := bufio.NewWriter(os.Stdout)
	followers := startFollowers(*streams)
	followers.awaitOpen(*ramp + 30*time.Second)
	requests := startRequests()
	fmt.Fprintf(out, "{\"opened\":%d}\n", followers.open.Load())
	out.Flush()

	for in := bufio.NewReader(os.Stdin); ; {
		if _, err := in.ReadString('\n'); err != nil {
			break
		}
	}
	stopped := time.Now()
	requests.stop()
	followers.end(stopped, requests.acknowledgedEvents())

	var usage syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &usage)
	json.NewEncoder(out).Encode(map[string]any{
		"requests":     requests.report(),
		"streams":      followers.report(requests.acknowledgedEvents()),
		"certificates": certificates.seen,
		"cpuSeconds":   time.Duration(usage.Utime.Nano() + usage.Stime.Nano()).Seconds(),
	})
	out.Flush()
}
