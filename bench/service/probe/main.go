// Command probe is a fan-out and nothing else: what is POSTed to it goes to
// every open stream, with one write for each client and batch, from one thread
// with epoll. It keeps nothing, checks nothing and counts nothing, so it shows
// what the kernel alone costs.
package main

import (
	"bytes"
	"flag"
	"fmt"
	"net"
	"os"
	"runtime"
	"strconv"
	"syscall"
	"time"
)

var (
	address  = flag.String("address", "127.0.0.1:21205", "where to listen")
	coalesce = flag.Duration("coalesce", 5*time.Millisecond, "the least time between two fan-outs")
)

type conn struct {
	fd       int
	isStream bool
	in       []byte
	// What the socket did not take. The bytes are those of a batch, and shared.
	out [][]byte
}

type server struct {
	epoll, listener int
	conns           map[int]*conn
	streams         map[int]*conn
	batch           []byte
	events          int
	next            time.Time
}

var (
	ok       = []byte("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
	created  = []byte("HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}")
	greeting = []byte("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-cache, no-transform\r\n" +
		"Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n" + "12\r\n: ok\nretry: 2000\n\n\r\n")
	headEnd, lengthField, post = []byte("\r\n\r\n"), []byte("content-length: "), []byte("POST ")
	data, streamPath           = []byte(`"data":`), []byte("GET /events")
)

func main() {
	flag.Parse()
	runtime.GOMAXPROCS(1)
	runtime.LockOSThread()
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run() error {
	tcp, err := net.ResolveTCPAddr("tcp4", *address)
	if err != nil {
		return err
	}
	s := &server{conns: map[int]*conn{}, streams: map[int]*conn{}}
	if s.listener, err = syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_NONBLOCK, 0); err != nil {
		return err
	}
	if err = syscall.SetsockoptInt(s.listener, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1); err != nil {
		return err
	}
	at := &syscall.SockaddrInet4{Port: tcp.Port}
	copy(at.Addr[:], tcp.IP.To4())
	if err = syscall.Bind(s.listener, at); err != nil {
		return err
	}
	if err = syscall.Listen(s.listener, 4096); err != nil {
		return err
	}
	if s.epoll, err = syscall.EpollCreate1(0); err != nil {
		return err
	}
	s.watch(s.listener, syscall.EPOLL_CTL_ADD, syscall.EPOLLIN)
	ready := make([]syscall.EpollEvent, 1024)
	for {
		wait := -1
		if len(s.batch) > 0 {
			wait = max(0, int(time.Until(s.next).Milliseconds()))
		}
		n, err := syscall.EpollWait(s.epoll, ready, wait)
		if err != nil && err != syscall.EINTR {
			return err
		}
		for _, event := range ready[:max(0, n)] {
			s.handle(int(event.Fd), event.Events)
		}
		if len(s.batch) > 0 && !time.Now().Before(s.next) {
			s.fanOut()
		}
	}
}

func (s *server) watch(fd, operation int, events uint32) {
	_ = syscall.EpollCtl(s.epoll, operation, fd, &syscall.EpollEvent{Events: events, Fd: int32(fd)})
}

func (s *server) handle(fd int, events uint32) {
	if fd == s.listener {
		for {
			accepted, _, err := syscall.Accept4(fd, syscall.SOCK_NONBLOCK)
			if err != nil {
				return
			}
			_ = syscall.SetsockoptInt(accepted, syscall.IPPROTO_TCP, syscall.TCP_NODELAY, 1)
			s.conns[accepted] = &conn{fd: accepted}
			s.watch(accepted, syscall.EPOLL_CTL_ADD, syscall.EPOLLIN)
		}
	}
	c := s.conns[fd]
	if c == nil {
		return
	}
	if events&syscall.EPOLLOUT != 0 {
		s.flush(c)
	}
	if events&^uint32(syscall.EPOLLOUT) != 0 {
		s.read(c)
	}
}

func (s *server) close(c *conn) {
	delete(s.conns, c.fd)
	delete(s.streams, c.fd)
	_ = syscall.Close(c.fd)
}

func (s *server) read(c *conn) {
	var buffer [65536]byte
	for {
		n, err := syscall.Read(c.fd, buffer[:])
		if err == syscall.EAGAIN {
			break
		}
		if err != nil || n == 0 {
			s.close(c)
			return
		}
		if !c.isStream {
			c.in = append(c.in, buffer[:n]...)
		}
		if n < len(buffer) {
			break
		}
	}
	for s.request(c) {
	}
}

// request answers one request, if a whole one is there.
func (s *server) request(c *conn) bool {
	end := bytes.Index(c.in, headEnd)
	if end < 0 || c.isStream {
		return false
	}
	head, length := c.in[:end+2], 0
	if at := bytes.Index(bytes.ToLower(head), lengthField); at >= 0 {
		text := head[at+len(lengthField):]
		length, _ = strconv.Atoi(string(text[:bytes.IndexByte(text, '\r')]))
	}
	all := end + len(headEnd) + length
	if len(c.in) < all {
		return false
	}
	switch {
	case bytes.HasPrefix(head, post):
		s.publish(c.in[end+len(headEnd) : all])
		s.write(c, created)
	case bytes.HasPrefix(head, streamPath):
		c.isStream = true
		s.streams[c.fd] = c
		s.write(c, greeting)
	default:
		s.write(c, ok)
	}
	c.in = append(c.in[:0], c.in[all:]...)
	return true
}

// publish adds what the service would send for the same body.
func (s *server) publish(body []byte) {
	at := bytes.Index(body, data)
	if at < 0 {
		return
	}
	s.events++
	block := fmt.Sprintf("id: 0123456789-%d-%d\nevent: load\ndata: %s\n\n", time.Now().UnixMilli(), s.events%1000,
		body[at+len(data):len(body)-1])
	s.batch = append(s.batch, fmt.Sprintf("%x\r\n%s\r\n", len(block), block)...)
}

func (s *server) fanOut() {
	batch := s.batch
	s.batch = nil
	for _, c := range s.streams {
		s.write(c, batch)
	}
	s.next = time.Now().Add(*coalesce)
}

func (s *server) write(c *conn, bytes []byte) {
	if len(c.out) > 0 {
		c.out = append(c.out, bytes)
		return
	}
	n, err := syscall.Write(c.fd, bytes)
	if err != nil && err != syscall.EAGAIN {
		s.close(c)
		return
	}
	if n = max(0, n); n < len(bytes) {
		c.out = append(c.out, bytes[n:])
		s.watch(c.fd, syscall.EPOLL_CTL_MOD, syscall.EPOLLIN|syscall.EPOLLOUT)
	}
}

func (s *server) flush(c *conn) {
	out := c.out
	c.out = nil
	for at, bytes := range out {
		s.write(c, bytes)
		if len(c.out) > 0 {
			c.out = append(c.out, out[at+1:]...)
			return
		}
	}
	s.watch(c.fd, syscall.EPOLL_CTL_MOD, syscall.EPOLLIN)
}
