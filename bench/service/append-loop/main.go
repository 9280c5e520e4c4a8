// Command append-loop appends to a Redis stream as fast as it can on some
// connections, and waits after each entry until it is on disk: what a POST of
// the service promises, and nothing else. Prints the appends of a second.
package main

import (
	"bufio"
	"flag"
	"fmt"
	"net"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

var (
	address     = flag.String("address", "127.0.0.1:6379", "the Redis server")
	connections = flag.Int("connections", 200, "appends under way at once")
	duration    = flag.Duration("duration", 5*time.Second, "how long to append")
	size        = flag.Int("size", 160, "bytes of an entry")
)

func main() {
	flag.Parse()
	var appended atomic.Int64
	var running sync.WaitGroup
	end := time.Now().Add(*duration)
	for range *connections {
		running.Add(1)
		go func() {
			defer running.Done()
			if err := loop(end, &appended); err != nil {
				fmt.Fprintln(os.Stderr, err)
				os.Exit(1)
			}
		}()
	}
	running.Wait()
	fmt.Printf("%.1f\n", float64(appended.Load())/duration.Seconds())
}

func command(words ...string) string {
	var text strings.Builder
	fmt.Fprintf(&text, "*%d\r\n", len(words))
	for _, word := range words {
		fmt.Fprintf(&text, "$%d\r\n%s\r\n", len(word), word)
	}
	return text.String()
}

func loop(end time.Time, appended *atomic.Int64) error {
	conn, err := net.Dial("tcp", *address)
	if err != nil {
		return err
	}
	defer conn.Close()
	replies := bufio.NewReader(conn)
	both := command("XADD", "append-loop", "MAXLEN", "~", "10000", "*", "d", strings.Repeat("x", *size)) +
		command("WAITAOF", "1", "0", "0")
	for time.Now().Before(end) {
		if _, err := conn.Write([]byte(both)); err != nil {
			return err
		}
		// XADD: $<length> and the id; WAITAOF: *2 and two numbers.
		for line := range 5 {
			text, err := replies.ReadString('\n')
			if err != nil {
				return err
			}
			if text[0] == '-' || line == 3 && strings.TrimSpace(text) != ":1" {
				return fmt.Errorf("not on disk: %s", strings.TrimSpace(text))
			}
		}
		appended.Add(1)
	}
	return nil
}
