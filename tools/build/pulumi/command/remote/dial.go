package remote

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
)

// The defaults that the official provider documents.
const (
	defaultPort           = 22
	defaultUser           = "root"
	defaultDialErrorLimit = 10
	defaultPerDialTimeout = 15
	pauseBetweenDials     = time.Second
)

func or[T any](value *T, fallback T) T {
	if value == nil {
		return fallback
	}
	return *value
}

// dial connects, and tries again until it has failed dialErrorLimit times, because the machine may just be starting.
// It gives up at once on an unexpected host key and on a refused login: waiting does not help there.
func (c *Connection) dial(ctx context.Context) (*ssh.Client, error) {
	config, done, err := c.clientConfig()
	if err != nil {
		return nil, err
	}
	defer done()
	address := net.JoinHostPort(c.Host, strconv.Itoa(int(or(c.Port, defaultPort))))
	limit := or(c.DialErrorLimit, defaultDialErrorLimit)
	for failures := 1; ; failures++ {
		client, final, err := dialOnce(ctx, address, config)
		if err == nil {
			return client, nil
		}
		if final || ctx.Err() != nil || (limit >= 0 && failures > limit) {
			return nil, fmt.Errorf("%s could not be reached over SSH after %d attempts: %w", address, failures, err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(pauseBetweenDials):
		}
	}
}

// errHostKey: another machine answers, or the host was installed again.
var errHostKey = errors.New("the host's key is not the one in hostKey")

func dialOnce(ctx context.Context, address string, config *ssh.ClientConfig) (*ssh.Client, bool, error) {
	dialer := net.Dialer{Timeout: config.Timeout}
	raw, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, false, err
	}
	// The handshake has the same limit; the command itself has none.
	if config.Timeout > 0 {
		_ = raw.SetDeadline(time.Now().Add(config.Timeout))
	}
	connection, channels, requests, err := ssh.NewClientConn(raw, address, config)
	if err != nil {
		_ = raw.Close()
		var refused *ssh.ServerAuthError
		return nil, errors.Is(err, errHostKey) || errors.As(err, &refused) || isRefusedLogin(err), err
	}
	_ = raw.SetDeadline(time.Time{})
	return ssh.NewClient(connection, channels, requests), false, nil
}

// isRefusedLogin: the client's own error for this has no type.
func isRefusedLogin(err error) bool { return strings.Contains(err.Error(), "unable to authenticate") }

func (c *Connection) clientConfig() (*ssh.ClientConfig, func(), error) {
	config := &ssh.ClientConfig{
		User:    or(c.User, defaultUser),
		Timeout: time.Duration(or(c.PerDialTimeout, defaultPerDialTimeout)) * time.Second,
		// As documented, the host's key is not checked without a hostKey. Our program always sets one.
		HostKeyCallback: ssh.InsecureIgnoreHostKey(),
	}
	if c.HostKey != nil {
		expected, _, _, _, err := ssh.ParseAuthorizedKey([]byte(*c.HostKey))
		if err != nil {
			return nil, nil, fmt.Errorf("hostKey is not a public key as ssh-keyscan prints it or /etc/ssh/*.pub contains it: %w", err)
		}
		config.HostKeyCallback = func(_ string, _ net.Addr, key ssh.PublicKey) error {
			if string(key.Marshal()) != string(expected.Marshal()) {
				return errHostKey
			}
			return nil
		}
		// Without this the server may offer another of its keys.
		config.HostKeyAlgorithms = algorithms(expected.Type())
	}
	done := func() {}
	if c.PrivateKey != nil {
		signer, err := c.signer()
		if err != nil {
			return nil, nil, err
		}
		config.Auth = append(config.Auth, ssh.PublicKeys(signer))
	}
	if c.Password != nil {
		password := *c.Password
		config.Auth = append(config.Auth, ssh.Password(password),
			ssh.KeyboardInteractive(func(_, _ string, questions []string, _ []bool) ([]string, error) {
				answers := make([]string, len(questions))
				for i := range answers {
					answers[i] = password
				}
				return answers, nil
			}))
	}
	if path := or(c.AgentSocketPath, os.Getenv("SSH_AUTH_SOCK")); path != "" {
		socket, err := net.Dial("unix", path)
		if err != nil && len(config.Auth) == 0 {
			return nil, nil, fmt.Errorf("the SSH agent does not answer: %w", err)
		}
		if err == nil {
			done = func() { _ = socket.Close() }
			config.Auth = append(config.Auth, ssh.PublicKeysCallback(agent.NewClient(socket).Signers))
		}
	}
	return config, done, nil
}

func (c *Connection) signer() (ssh.Signer, error) {
	key := []byte(*c.PrivateKey)
	if c.PrivateKeyPassword != nil {
		return ssh.ParsePrivateKeyWithPassphrase(key, []byte(*c.PrivateKeyPassword))
	}
	return ssh.ParsePrivateKey(key)
}

func algorithms(keyType string) []string {
	if keyType == ssh.KeyAlgoRSA {
		return []string{ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256}
	}
	return []string{keyType}
}
