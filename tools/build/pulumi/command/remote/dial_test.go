package remote

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"net"
	"strconv"
	"testing"

	"golang.org/x/crypto/ssh"
)

// signers creates the keys that a fresh Debian has.
func signers(t *testing.T) map[string]ssh.Signer {
	t.Helper()
	ecdsaKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	_, edKey, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]ssh.Signer{}
	for name, key := range map[string]crypto.Signer{"ecdsa": ecdsaKey, "ed25519": edKey, "rsa": rsaKey} {
		signer, err := ssh.NewSignerFromSigner(key)
		if err != nil {
			t.Fatal(err)
		}
		all[name] = signer
	}
	return all
}

// serve starts a server that shows all keys and lets anybody in who sends a password.
func serve(t *testing.T, keys map[string]ssh.Signer) *Connection {
	t.Helper()
	config := &ssh.ServerConfig{PasswordCallback: func(ssh.ConnMetadata, []byte) (*ssh.Permissions, error) {
		return nil, nil
	}}
	for _, key := range keys {
		config.AddHostKey(key)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			raw, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				connection, channels, requests, err := ssh.NewServerConn(raw, config)
				if err != nil {
					return
				}
				go ssh.DiscardRequests(requests)
				go func() {
					for channel := range channels {
						_ = channel.Reject(ssh.Prohibited, "no commands here")
					}
				}()
				_ = connection.Wait()
			}()
		}
	}()
	address := listener.Addr().(*net.TCPAddr)
	port, password, once := float64(address.Port), "p", 0
	return &Connection{Host: "127.0.0.1", Port: &port, Password: &password, DialErrorLimit: &once}
}

func line(key ssh.Signer) *string {
	text := string(ssh.MarshalAuthorizedKey(key.PublicKey()))
	return &text
}

func TestAHostIsKnownByAnyOfItsKeys(t *testing.T) {
	t.Setenv("SSH_AUTH_SOCK", "")
	keys := signers(t)
	connection := serve(t, keys)
	for name, key := range keys {
		connection.HostKey = line(key)
		client, err := connection.dial(context.Background())
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		_ = client.Close()
	}
}

func TestAnotherHostIsRefused(t *testing.T) {
	t.Setenv("SSH_AUTH_SOCK", "")
	connection := serve(t, signers(t))
	for name, key := range signers(t) {
		connection.HostKey = line(key)
		if _, err := connection.dial(context.Background()); !errors.Is(err, errHostKey) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A provider that does not ask for the expected key's type gets the host's ECDSA key. That is why docs/environments.md
// asks for the ECDSA key.
func TestWithoutAChoiceAHostShowsItsEcdsaKey(t *testing.T) {
	keys := signers(t)
	connection := serve(t, keys)
	var shown ssh.PublicKey
	client, err := ssh.Dial("tcp", net.JoinHostPort(connection.Host, strconv.Itoa(int(*connection.Port))), &ssh.ClientConfig{
		Auth: []ssh.AuthMethod{ssh.Password("p")},
		HostKeyCallback: func(_ string, _ net.Addr, key ssh.PublicKey) error {
			shown = key
			return nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	_ = client.Close()
	if string(shown.Marshal()) != string(keys["ecdsa"].PublicKey().Marshal()) {
		t.Errorf("the host showed its %s key", shown.Type())
	}
}
