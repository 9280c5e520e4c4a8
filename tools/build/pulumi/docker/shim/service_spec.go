package shim

import (
	"fmt"
	"os"
	"strconv"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/mount"
	"github.com/docker/docker/api/types/swarm"
	"github.com/hashicorp/terraform-plugin-sdk/v2/helper/schema"
)

// serviceSpec is what the engine is asked for.
func serviceSpec(d *schema.ResourceData) (swarm.ServiceSpec, error) {
	given := block{}
	for _, name := range []string{"labels", "task_spec", "mode", "update_config", "rollback_config", "endpoint_spec"} {
		given[name] = d.Get(name)
	}
	spec := swarm.ServiceSpec{}
	spec.Name, spec.Labels = d.Get("name").(string), labelsIn(given)
	var err error
	task, _ := given.only("task_spec")
	if spec.TaskTemplate, err = taskSpec(task); err != nil {
		return spec, err
	}
	if mode, ok := given.only("mode"); ok {
		if mode.isTrue("global") {
			spec.Mode.Global = &swarm.GlobalService{}
		} else if replicated, ok := mode.only("replicated"); ok {
			replicas := uint64(replicated.number("replicas"))
			spec.Mode.Replicated = &swarm.ReplicatedService{Replicas: &replicas}
		}
	}
	if spec.UpdateConfig, err = updateConfig(given, "update_config"); err != nil {
		return spec, err
	}
	if spec.RollbackConfig, err = updateConfig(given, "rollback_config"); err != nil {
		return spec, err
	}
	if endpoint, ok := given.only("endpoint_spec"); ok {
		spec.EndpointSpec = &swarm.EndpointSpec{Mode: swarm.ResolutionMode(endpoint.text("mode"))}
		for _, port := range endpoint.blocks("ports") {
			spec.EndpointSpec.Ports = append(spec.EndpointSpec.Ports, swarm.PortConfig{
				Name:          port.text("name"),
				Protocol:      swarm.PortConfigProtocol(port.text("protocol")),
				TargetPort:    uint32(port.number("target_port")),
				PublishedPort: uint32(port.number("published_port")),
				PublishMode:   swarm.PortConfigPublishMode(port.text("publish_mode")),
			})
		}
	}
	return spec, nil
}

func labelsIn(b block) map[string]string {
	labels := map[string]string{}
	for _, label := range b.blocks("labels") {
		labels[label.text("label")] = label.text("value")
	}
	return labels
}

func updateConfig(given block, name string) (*swarm.UpdateConfig, error) {
	b, ok := given.only(name)
	if !ok {
		return nil, nil
	}
	config := &swarm.UpdateConfig{
		Parallelism:   uint64(b.number("parallelism")),
		FailureAction: b.text("failure_action"),
		Order:         b.text("order"),
	}
	ratio, err := strconv.ParseFloat(b.text("max_failure_ratio"), 32)
	if err != nil {
		return nil, fmt.Errorf("%s.max_failure_ratio: %w", name, err)
	}
	config.MaxFailureRatio = float32(ratio)
	if config.Delay, err = b.duration("delay"); err != nil {
		return nil, fmt.Errorf("%s.delay: %w", name, err)
	}
	if config.Monitor, err = b.duration("monitor"); err != nil {
		return nil, fmt.Errorf("%s.monitor: %w", name, err)
	}
	return config, nil
}

func taskSpec(b block) (swarm.TaskSpec, error) {
	task := swarm.TaskSpec{ForceUpdate: uint64(b.number("force_update"))}
	given, _ := b.only("container_spec")
	var err error
	if task.ContainerSpec, err = containerSpec(given); err != nil {
		return task, err
	}
	if resources, ok := b.only("resources"); ok {
		task.Resources = &swarm.ResourceRequirements{}
		if limits, ok := resources.only("limits"); ok {
			task.Resources.Limits = &swarm.Limit{
				NanoCPUs: int64(limits.number("nano_cpus")), MemoryBytes: int64(limits.number("memory_bytes")),
			}
		}
	}
	if policy, ok := b.only("restart_policy"); ok {
		if task.RestartPolicy, err = restartPolicy(policy); err != nil {
			return task, err
		}
	}
	if placement, ok := b.only("placement"); ok {
		task.Placement = &swarm.Placement{
			Constraints: placement.texts("constraints"), MaxReplicas: uint64(placement.number("max_replicas")),
		}
		for _, descriptor := range placement.texts("prefs") {
			task.Placement.Preferences = append(task.Placement.Preferences,
				swarm.PlacementPreference{Spread: &swarm.SpreadOver{SpreadDescriptor: descriptor}})
		}
		for _, platform := range placement.blocks("platforms") {
			task.Placement.Platforms = append(task.Placement.Platforms,
				swarm.Platform{Architecture: platform.text("architecture"), OS: platform.text("os")})
		}
	}
	for _, network := range b.blocks("networks_advanced") {
		target := network.text("id")
		if target == "" {
			target = network.text("name")
		}
		if target == "" {
			return task, fmt.Errorf("a network of the service has neither an id nor a name")
		}
		task.Networks = append(task.Networks,
			swarm.NetworkAttachmentConfig{Target: target, Aliases: network.texts("aliases")})
	}
	if driver, ok := b.only("log_driver"); ok {
		task.LogDriver = &swarm.Driver{Name: driver.text("name"), Options: driver.pairs("options")}
	}
	return task, nil
}

func restartPolicy(b block) (*swarm.RestartPolicy, error) {
	delay, err := b.duration("delay")
	if err != nil {
		return nil, fmt.Errorf("restart_policy.delay: %w", err)
	}
	window, err := b.duration("window")
	if err != nil {
		return nil, fmt.Errorf("restart_policy.window: %w", err)
	}
	attempts := uint64(b.number("max_attempts"))
	condition := swarm.RestartPolicyCondition(b.text("condition"))
	return &swarm.RestartPolicy{Condition: condition, Delay: &delay, MaxAttempts: &attempts, Window: &window}, nil
}

func containerSpec(b block) (*swarm.ContainerSpec, error) {
	isInit := b.isTrue("init")
	spec := &swarm.ContainerSpec{
		Image:          b.text("image"),
		Labels:         labelsIn(b),
		Command:        b.texts("command"),
		Args:           b.texts("args"),
		Hostname:       b.text("hostname"),
		User:           b.text("user"),
		Dir:            b.text("dir"),
		ReadOnly:       b.isTrue("read_only"),
		StopSignal:     b.text("stop_signal"),
		CapabilityAdd:  b.texts("cap_add"),
		CapabilityDrop: b.texts("cap_drop"),
		Init:           &isInit,
	}
	// In any order, as the newer provider: a swarm takes another order for another environment, and rolls every task over it.
	for name, value := range b.pairs("env") {
		spec.Env = append(spec.Env, name+"="+value)
	}
	for _, given := range b.blocks("mounts") {
		one := mount.Mount{
			Type: mount.Type(given.text("type")), Source: given.text("source"),
			Target: given.text("target"), ReadOnly: given.isTrue("read_only"),
		}
		if options, ok := given.only("volume_options"); ok {
			one.VolumeOptions = &mount.VolumeOptions{
				NoCopy: options.isTrue("no_copy"),
				DriverConfig: &mount.Driver{
					Name: options.text("driver_name"), Options: options.pairs("driver_options"),
				},
			}
		}
		if options, ok := given.only("tmpfs_options"); ok {
			one.TmpfsOptions = &mount.TmpfsOptions{
				SizeBytes: int64(options.number("size_bytes")), Mode: os.FileMode(options.number("mode")),
			}
		}
		spec.Mounts = append(spec.Mounts, one)
	}
	if b.text("stop_grace_period") != "" {
		grace, err := b.duration("stop_grace_period")
		if err != nil {
			return nil, fmt.Errorf("stop_grace_period: %w", err)
		}
		spec.StopGracePeriod = &grace
	}
	if check, ok := b.only("healthcheck"); ok {
		var err error
		if spec.Healthcheck, err = healthcheck(check); err != nil {
			return nil, err
		}
	}
	return spec, addFiles(spec, b)
}

func healthcheck(b block) (*container.HealthConfig, error) {
	check := &container.HealthConfig{Test: b.texts("test"), Retries: b.number("retries")}
	var err error
	for name, field := range map[string]*int64{
		"interval":     (*int64)(&check.Interval),
		"timeout":      (*int64)(&check.Timeout),
		"start_period": (*int64)(&check.StartPeriod),
	} {
		parsed, parseErr := b.duration(name)
		if parseErr != nil {
			err = fmt.Errorf("healthcheck.%s: %w", name, parseErr)
		}
		*field = int64(parsed)
	}
	return check, err
}

func addFiles(spec *swarm.ContainerSpec, b block) error {
	for _, given := range b.blocks("secrets") {
		mode, err := fileMode(given)
		if err != nil {
			return err
		}
		spec.Secrets = append(spec.Secrets, &swarm.SecretReference{
			SecretID: given.text("secret_id"), SecretName: given.text("secret_name"),
			File: &swarm.SecretReferenceFileTarget{
				Name: given.text("file_name"), UID: given.text("file_uid"), GID: given.text("file_gid"), Mode: mode,
			},
		})
	}
	for _, given := range b.blocks("configs") {
		mode, err := fileMode(given)
		if err != nil {
			return err
		}
		spec.Configs = append(spec.Configs, &swarm.ConfigReference{
			ConfigID: given.text("config_id"), ConfigName: given.text("config_name"),
			File: &swarm.ConfigReferenceFileTarget{
				Name: given.text("file_name"), UID: given.text("file_uid"), GID: given.text("file_gid"), Mode: mode,
			},
		})
	}
	return nil
}

func fileMode(b block) (os.FileMode, error) {
	mode := b.number("file_mode")
	if mode < 0 || mode > 0o777 {
		return 0, fmt.Errorf("file_mode %o is no mode of a file", mode)
	}
	return os.FileMode(mode), nil
}
