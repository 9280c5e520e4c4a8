package shim

import (
	"slices"
	"testing"
	"time"

	"github.com/docker/docker/api/types/mount"
	"github.com/docker/docker/api/types/swarm"
	"github.com/hashicorp/terraform-plugin-sdk/v2/helper/schema"
	"github.com/terraform-providers/terraform-provider-docker/internal/provider"
)

func serviceResource() *schema.Resource {
	service := provider.New("1.0.0")().ResourcesMap["docker_service"]
	beLikeTheNewerService(service)
	return service
}

func one(b map[string]any) []any { return []any{b} }

// everything that a service of the stack has.
func everything() map[string]any {
	file := func(kind string) []any {
		return one(map[string]any{
			kind + "_id": "id", kind + "_name": "name", "file_name": "/etc/a", "file_uid": "1", "file_gid": "2", "file_mode": 0o440,
		})
	}
	change := one(map[string]any{
		"parallelism": 1, "delay": "0s", "failure_action": "rollback", "monitor": "1m30s", "max_failure_ratio": "0.0",
		"order": "start-first",
	})
	return map[string]any{
		"name":   "web",
		"labels": one(map[string]any{"label": "l", "value": "v"}),
		"mode":   one(map[string]any{"replicated": one(map[string]any{"replicas": 3})}),
		"endpoint_spec": one(map[string]any{"mode": "dnsrr", "ports": one(map[string]any{
			"target_port": 80, "published_port": 8080, "protocol": "tcp", "publish_mode": "host",
		})}),
		"update_config": change, "rollback_config": change,
		"task_spec": one(map[string]any{
			"container_spec": one(map[string]any{
				"image": "i@sha256:1", "labels": one(map[string]any{"label": "l", "value": "v"}),
				"command": []any{"c"}, "args": []any{"a", "b"}, "env": map[string]any{"B": "2=2", "A": "1"}, "user": "1:1",
				"read_only": true, "cap_drop": []any{"ALL"}, "init": true, "stop_signal": "SIGTERM", "stop_grace_period": "2m",
				"mounts": []any{
					map[string]any{"target": "/tmp", "type": "tmpfs", "tmpfs_options": one(map[string]any{
						"size_bytes": 1 << 20, "mode": 0o777,
					})},
					map[string]any{
						"target": "/shared", "type": "volume", "source": "s", "read_only": true,
						"volume_options": one(map[string]any{
							"no_copy": true, "driver_name": "local", "driver_options": map[string]any{"type": "tmpfs", "o": "size=64k"},
						}),
					},
				},
				"healthcheck": one(map[string]any{
					"test": []any{"CMD", "true"}, "interval": "5s", "timeout": "3s", "start_period": "30s", "retries": 3,
				}),
				"secrets": file("secret"), "configs": file("config"),
			}),
			"resources":         one(map[string]any{"limits": one(map[string]any{"nano_cpus": 500_000_000, "memory_bytes": 1 << 26})}),
			"restart_policy":    one(map[string]any{"condition": "any", "delay": "1s", "window": "0s"}),
			"placement":         one(map[string]any{"constraints": []any{"node.labels.a==true"}, "platforms": one(map[string]any{"os": "linux", "architecture": "amd64"})}),
			"networks_advanced": one(map[string]any{"id": "n", "aliases": []any{"web"}}),
			"log_driver":        one(map[string]any{"name": "json-file", "options": map[string]any{"max-size": "10m"}}),
		}),
	}
}

func TestTheProviderIsWhole(t *testing.T) {
	if err := NewProvider("1.0.0").InternalValidate(); err != nil {
		t.Error(err)
	}
}

func TestAServiceReadsBackAsItWasGiven(t *testing.T) {
	service := serviceResource()
	given := schema.TestResourceDataRaw(t, service.Schema, everything())
	spec, err := serviceSpec(given)
	if err != nil {
		t.Fatal(err)
	}
	read := service.Data(given.State())
	read.SetId("id")
	given.SetId("id")
	for name, value := range serviceState(spec) {
		if err := read.Set(name, value); err != nil {
			t.Fatalf("%s: %s", name, err)
		}
	}
	want, got := given.State().Attributes, read.State().Attributes
	for name, value := range want {
		if got[name] != value {
			t.Errorf("%s is %q; it was given as %q", name, got[name], value)
		}
	}
	for name, value := range got {
		if _, known := want[name]; !known && value != "" && value != "0" && value != "0s" && value != "false" {
			t.Errorf("%s is %q; it was not given", name, value)
		}
	}
}

func TestWhatTheSwarmIsAskedFor(t *testing.T) {
	spec, err := serviceSpec(schema.TestResourceDataRaw(t, serviceResource().Schema, everything()))
	if err != nil {
		t.Fatal(err)
	}
	container := spec.TaskTemplate.ContainerSpec
	env := slices.Sorted(slices.Values(container.Env))
	if !slices.Equal(env, []string{"A=1", "B=2=2"}) {
		t.Errorf("the environment is %q", env)
	}
	mounts := map[string]mount.Mount{}
	for _, one := range container.Mounts {
		mounts[one.Target] = one
	}
	if got := mounts["/tmp"].TmpfsOptions; got.SizeBytes != 1<<20 || got.Mode != 0o777 {
		t.Errorf("the memory is %+v", got)
	}
	shared := mounts["/shared"]
	if got := shared.VolumeOptions; !got.NoCopy || got.DriverConfig.Name != "local" || got.DriverConfig.Options["o"] != "size=64k" {
		t.Errorf("the shared volume has %+v", got)
	}
	if shared.Source != "s" || !shared.ReadOnly {
		t.Errorf("the shared volume is %+v", shared)
	}
	if got := *container.StopGracePeriod; got != 2*time.Minute {
		t.Errorf("it may take %s to stop", got)
	}
	if container.CapabilityDrop[0] != "ALL" || !*container.Init {
		t.Errorf("%+v", container)
	}
	if got := spec.EndpointSpec; got.Mode != swarm.ResolutionModeDNSRR || got.Ports[0].PublishMode != swarm.PortConfigPublishModeHost {
		t.Errorf("%+v", got)
	}
	if got := spec.TaskTemplate.Networks[0]; got.Target != "n" || got.Aliases[0] != "web" {
		t.Errorf("%+v", got)
	}
}

func TestAServiceOnEveryNode(t *testing.T) {
	raw := everything()
	raw["mode"] = one(map[string]any{"global": true})
	spec, err := serviceSpec(schema.TestResourceDataRaw(t, serviceResource().Schema, raw))
	if err != nil || spec.Mode.Global == nil || spec.Mode.Replicated != nil {
		t.Errorf("%+v, %v", spec.Mode, err)
	}
}

func TestWhatReplacesAService(t *testing.T) {
	task := serviceResource().Schema["task_spec"].Elem.(*schema.Resource).Schema
	container := task["container_spec"].Elem.(*schema.Resource).Schema
	label := func(labels *schema.Schema) bool { return labels.Elem.(*schema.Resource).Schema["value"].ForceNew }
	if label(serviceResource().Schema["labels"]) {
		t.Error("a label of the service replaces it; the newer provider changes it in place")
	}
	if !label(container["labels"]) {
		t.Error("a label of its containers does not replace it; with the newer provider it does")
	}
	if !task["networks_advanced"].ForceNew {
		t.Error("another network does not replace it; with the newer provider it does")
	}
}
