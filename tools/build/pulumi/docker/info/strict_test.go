package info

import (
	"context"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
)

func check(t *testing.T, resourceName string, inputs map[string]any) error {
	t.Helper()
	provider := Provider()
	_, err := provider.Resources[resourceName].PreCheckCallback(
		context.Background(), resource.NewPropertyMapFromMap(inputs), nil)
	return err
}

func TestWhatTheStandInLacksIsRefusedByName(t *testing.T) {
	err := check(t, "docker_container", map[string]any{
		"image": "i", "cpuPeriod": 5.0,
		"healthcheck":      map[string]any{"tests": []any{"CMD"}, "startDelay": "1s"},
		"networksAdvanced": []any{map[string]any{"name": "n", "driverOpts": []any{"x"}}},
		"mounts": []any{map[string]any{"target": "/", "type": "volume",
			"volumeOptions": map[string]any{"subpath": "s"}}},
		"uploads": []any{map[string]any{"file": "/f", "permissions": "0400"}},
	})
	if err == nil {
		t.Fatal("it was accepted")
	}
	for _, name := range []string{
		"cpuPeriod", "healthcheck.startDelay", "networksAdvanced.driverOpts", "mounts.volumeOptions.subpath",
		"uploads.permissions", "official docker plugin",
	} {
		if !strings.Contains(err.Error(), name) {
			t.Errorf("%q does not name %s", err, name)
		}
	}
}

func TestASecretDoesNotHideAProperty(t *testing.T) {
	inputs := resource.PropertyMap{
		"image": resource.NewStringProperty("i"),
		"uploads": resource.MakeSecret(resource.NewArrayProperty([]resource.PropertyValue{
			resource.NewObjectProperty(resource.PropertyMap{"owner": resource.NewStringProperty("1")}),
		})),
	}
	_, err := Provider().Resources["docker_container"].PreCheckCallback(context.Background(), inputs, nil)
	if err == nil || !strings.Contains(err.Error(), "uploads.owner") {
		t.Errorf("got %v; want an error that names uploads.owner", err)
	}
}

func TestWhatItHasIsAccepted(t *testing.T) {
	err := check(t, "docker_container", map[string]any{
		"image": "i", "name": "n", "cpus": "0.5", "command": []any{"c"}, "entrypoints": []any{"e"},
		"healthcheck": map[string]any{"tests": []any{"CMD"}}, "labels": []any{map[string]any{"label": "l", "value": "v"}},
		"logOpts": map[string]any{"max-size": "1m"}, "tmpfs": map[string]any{"/tmp": ""},
	})
	if err != nil {
		t.Error(err)
	}
	err = check(t, "docker_image", map[string]any{"name": "n", "triggers": map[string]any{"a": "b"},
		"build": map[string]any{"context": ".", "tags": []any{"t"}, "buildArgs": map[string]any{"A": "1"},
			"labels": map[string]any{"l": "v"}, "target": "t", "dockerfile": "D"}})
	if err != nil {
		t.Error(err)
	}
}

func TestResourcesThatAreMissingSaySo(t *testing.T) {
	for _, name := range []string{"docker_built_image", "docker_buildx_builder"} {
		if err := check(t, name, map[string]any{}); err == nil || !strings.Contains(err.Error(), "not available") {
			t.Errorf("%s: got %v", name, err)
		}
	}
}
