package shim

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
)

type recorder struct{ request *http.Request }

func (r *recorder) RoundTrip(request *http.Request) (*http.Response, error) {
	r.request = request
	return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody}, nil
}

func send(t *testing.T, a amendment, url, body string) *http.Request {
	t.Helper()
	ctx := withAmendment(context.Background(), a)
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	next := &recorder{}
	if _, err := (&transport{next: next}).RoundTrip(request); err != nil {
		t.Fatal(err)
	}
	return next.request
}

func TestTheCPULimitTravelsWithTheCreateRequest(t *testing.T) {
	request := send(t, amendment{nanoCPUs: 5e8}, "http://engine/v1.41/containers/create?name=x",
		`{"Image":"i","HostConfig":{"Memory":67108864}}`)
	body, _ := io.ReadAll(request.Body)
	if want := `{"HostConfig":{"Memory":67108864,"NanoCpus":500000000},"Image":"i"}`; string(body) != want {
		t.Errorf("sent %s; want %s", body, want)
	}
	if request.ContentLength != int64(len(body)) {
		t.Errorf("announced %d bytes, sent %d", request.ContentLength, len(body))
	}
}

func TestOtherRequestsPassUnchanged(t *testing.T) {
	request := send(t, amendment{nanoCPUs: 5e8}, "http://engine/v1.41/containers/abc/start", `{}`)
	if body, _ := io.ReadAll(request.Body); string(body) != `{}` {
		t.Errorf("sent %s", body)
	}
}

func TestBuildLabelsAreAddedToThoseThatAreThere(t *testing.T) {
	request := send(t, amendment{buildLabels: map[string]string{"b": "2"}},
		`http://engine/v1.41/build?labels=%7B%22a%22%3A%221%22%7D&t=x`, "tar")
	if got := request.URL.Query().Get("labels"); got != `{"a":"1","b":"2"}` {
		t.Errorf("labels are %s", got)
	}
}
