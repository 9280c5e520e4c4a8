package shim

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/docker/docker/client"
	"github.com/terraform-providers/terraform-provider-docker/internal/provider"
)

// engine answers every request for a volume with the status and body.
func engine(t *testing.T, status int, body string) *provider.ProviderConfig {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasSuffix(r.URL.Path, "/volumes/data") {
			t.Errorf("asked for %s", r.URL.Path)
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}))
	t.Cleanup(server.Close)
	docker, err := client.NewClientWithOpts(client.WithHost("tcp://" + strings.TrimPrefix(server.URL, "http://")))
	if err != nil {
		t.Fatal(err)
	}
	return &provider.ProviderConfig{DockerClient: docker}
}

func TestAVolumeThatIsGoneIsDroppedFromTheState(t *testing.T) {
	for name, c := range map[string]struct {
		status int
		body   string
		id     string
		fails  bool
	}{
		"there":          {http.StatusOK, `{"Name":"data","Driver":"local","Mountpoint":"/m"}`, "data", false},
		"gone":           {http.StatusNotFound, `{"message":"get data: no such volume"}`, "", false},
		"cannot be read": {http.StatusInternalServerError, `{"message":"disk"}`, "data", true},
	} {
		t.Run(name, func(t *testing.T) {
			volume := provider.New("1.0.0")().ResourcesMap["docker_volume"]
			noticeAbsence(volume)
			d := volume.Data(nil)
			d.SetId("data")
			diags := volume.ReadContext(context.Background(), d, engine(t, c.status, c.body))
			if d.Id() != c.id || diags.HasError() != c.fails {
				t.Errorf("id %q, %v; want %q", d.Id(), diags, c.id)
			}
		})
	}
}
