package shim

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// amendment is what one call of the provider adds to the request that it sends to the engine.
type amendment struct {
	nanoCPUs    int64
	buildLabels map[string]string
}

type amendmentKey struct{}

func withAmendment(ctx context.Context, a amendment) context.Context {
	return context.WithValue(ctx, amendmentKey{}, a)
}

// transport adds a call's amendment to its "create container" or "build image" request and passes on all others.
type transport struct{ next http.RoundTripper }

func (t *transport) RoundTrip(request *http.Request) (*http.Response, error) {
	a, ok := request.Context().Value(amendmentKey{}).(amendment)
	if !ok || request.Method != http.MethodPost {
		return t.next.RoundTrip(request)
	}
	var err error
	switch {
	case a.nanoCPUs != 0 && strings.HasSuffix(request.URL.Path, "/containers/create"):
		request, err = withNanoCPUs(request, a.nanoCPUs)
	case len(a.buildLabels) != 0 && strings.HasSuffix(request.URL.Path, "/build"):
		request, err = withBuildLabels(request, a.buildLabels)
	}
	if err != nil {
		return nil, err
	}
	return t.next.RoundTrip(request)
}

func withNanoCPUs(request *http.Request, nanoCPUs int64) (*http.Request, error) {
	body, err := io.ReadAll(request.Body)
	if err != nil {
		return nil, err
	}
	_ = request.Body.Close()
	// Raw messages keep every other field byte for byte.
	var container, host map[string]json.RawMessage
	if err := json.Unmarshal(body, &container); err != nil {
		return nil, fmt.Errorf("the request to create a container is not JSON: %w", err)
	}
	if err := json.Unmarshal(container["HostConfig"], &host); err != nil {
		return nil, fmt.Errorf("the HostConfig of the request to create a container is not JSON: %w", err)
	}
	host["NanoCpus"] = json.RawMessage(fmt.Sprint(nanoCPUs))
	if container["HostConfig"], err = json.Marshal(host); err != nil {
		return nil, err
	}
	if body, err = json.Marshal(container); err != nil {
		return nil, err
	}
	amended := request.Clone(request.Context())
	amended.Body = io.NopCloser(bytes.NewReader(body))
	amended.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
	amended.ContentLength = int64(len(body))
	return amended, nil
}

func withBuildLabels(request *http.Request, labels map[string]string) (*http.Request, error) {
	amended := request.Clone(request.Context())
	query := amended.URL.Query()
	merged := map[string]string{}
	if given := query.Get("labels"); given != "" {
		if err := json.Unmarshal([]byte(given), &merged); err != nil {
			return nil, fmt.Errorf("the labels of the build request are not JSON: %w", err)
		}
	}
	for name, value := range labels {
		merged[name] = value
	}
	text, err := json.Marshal(merged)
	if err != nil {
		return nil, err
	}
	query.Set("labels", string(text))
	amended.URL.RawQuery = query.Encode()
	return amended, nil
}
