package shim

import (
	"reflect"
	"testing"

	"github.com/hashicorp/terraform-plugin-sdk/v2/helper/schema"
	"github.com/terraform-providers/terraform-provider-docker/internal/provider"
)

func TestABuildHasTheNewerProvidersNamesAndReachesUpstreamByItsOwn(t *testing.T) {
	image := provider.New("1.0.0")().ResourcesMap["docker_image"]
	upstreamImage := &schema.Resource{Schema: image.Schema}
	nameLikeTheNewer(image)
	fields := image.Schema["build"].Elem.(*schema.Resource).Schema
	for name, want := range map[string]bool{
		"context": true, "build_args": true, "labels": true, "path": false, "build_arg": false,
	} {
		if _, has := fields[name]; has != want {
			t.Errorf("build.%s is there: %v; want %v", name, has, want)
		}
	}
	d := schema.TestResourceDataRaw(t, image.Schema, map[string]any{
		"name": "n:1", "keep_locally": true, "triggers": map[string]any{"content": "1"},
		"build": []any{map[string]any{
			"context": "folder", "build_args": map[string]any{"A": "1"}, "tag": []any{"n:1"}, "labels": map[string]any{"l": "v"},
		}},
	})
	known, labels, err := toUpstream(upstreamImage, d)
	if err != nil {
		t.Fatal(err)
	}
	builds := known.Get("build").(*schema.Set).List()
	if len(builds) != 1 {
		t.Fatalf("%d builds", len(builds))
	}
	build := builds[0].(map[string]any)
	got := []any{build["path"], build["build_arg"], build["tag"], build["dockerfile"], known.Get("name"), labels}
	want := []any{
		"folder", map[string]any{"A": "1"}, []any{"n:1"}, "Dockerfile", "n:1", map[string]string{"l": "v"},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %#v; want %#v", got, want)
	}
}
