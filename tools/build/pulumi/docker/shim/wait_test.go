package shim

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types"
	"github.com/docker/docker/errdefs"
)

type answers func(call int) (types.ContainerJSON, error)

type fakeEngine struct {
	calls  int
	answer answers
}

func (f *fakeEngine) ContainerInspect(context.Context, string) (types.ContainerJSON, error) {
	f.calls++
	return f.answer(f.calls)
}

func state(status, health string) types.ContainerJSON {
	s := &types.ContainerState{Status: status, Running: status == "running"}
	if health != "" {
		s.Health = &types.Health{Status: health}
	}
	return types.ContainerJSON{ContainerJSONBase: &types.ContainerJSONBase{State: s}}
}

func TestWaitHealthy(t *testing.T) {
	cases := map[string]struct {
		answer answers
		want   string
	}{
		"healthy after a while": {func(call int) (types.ContainerJSON, error) {
			if call < 3 {
				return state("running", types.Starting), nil
			}
			return state("running", types.Healthy), nil
		}, ""},
		"an inspection that fails is asked again": {func(call int) (types.ContainerJSON, error) {
			if call < 3 {
				return types.ContainerJSON{}, errors.New("the engine is busy")
			}
			return state("running", types.Healthy), nil
		}, ""},
		"never healthy": {func(int) (types.ContainerJSON, error) {
			return state("restarting", types.Unhealthy), nil
		}, "was not healthy within 50ms: it is restarting and unhealthy"},
		"left before its first check": {func(int) (types.ContainerJSON, error) {
			return state("exited", ""), nil
		}, "it is exited"},
		"every inspection fails": {func(int) (types.ContainerJSON, error) {
			return types.ContainerJSON{}, errors.New("no engine")
		}, "no engine"},
		"removed": {func(int) (types.ContainerJSON, error) {
			return types.ContainerJSON{}, errdefs.NotFound(errors.New("gone"))
		}, "was removed"},
		"without a health check": {func(int) (types.ContainerJSON, error) {
			return state("running", ""), nil
		}, "has no health check"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			err := waitHealthy(context.Background(), &fakeEngine{answer: c.answer}, "id", 50*time.Millisecond, time.Millisecond)
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Fatalf("got %v, want %q", err, c.want)
			}
		})
	}
	t.Run("interrupted", func(t *testing.T) {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		never := func(int) (types.ContainerJSON, error) { return state("running", types.Starting), nil }
		if err := waitHealthy(ctx, &fakeEngine{answer: never}, "id", time.Minute, time.Millisecond); err == nil || !strings.Contains(err.Error(), "interrupted") {
			t.Fatalf("got %v", err)
		}
	})
}
