package shim

import (
	"strconv"
	"strings"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/swarm"
)

// serviceState is what a service reads back as, by property: in the newer provider's spelling.
func serviceState(spec swarm.ServiceSpec) map[string]any {
	mode := block{"global": spec.Mode.Global != nil}
	if spec.Mode.Replicated != nil && spec.Mode.Replicated.Replicas != nil {
		mode["replicated"] = list(block{"replicas": int(*spec.Mode.Replicated.Replicas)})
	}
	state := map[string]any{
		"name":            spec.Name,
		"labels":          labelBlocks(spec.Labels),
		"mode":            list(mode),
		"task_spec":       list(taskState(spec.TaskTemplate)),
		"update_config":   updateState(spec.UpdateConfig),
		"rollback_config": updateState(spec.RollbackConfig),
	}
	if endpoint := spec.EndpointSpec; endpoint != nil {
		var ports []any
		for _, port := range endpoint.Ports {
			ports = append(ports, map[string]any{
				"name": port.Name, "protocol": string(port.Protocol), "publish_mode": string(port.PublishMode),
				"target_port": int(port.TargetPort), "published_port": int(port.PublishedPort),
			})
		}
		state["endpoint_spec"] = list(block{"mode": string(endpoint.Mode), "ports": ports})
	}
	return state
}

func labelBlocks(labels map[string]string) []any {
	var all []any
	for label, value := range labels {
		all = append(all, map[string]any{"label": label, "value": value})
	}
	return all
}

func updateState(config *swarm.UpdateConfig) []any {
	if config == nil {
		return nil
	}
	return list(block{
		"parallelism":       int(config.Parallelism),
		"delay":             spelled(config.Delay),
		"failure_action":    config.FailureAction,
		"monitor":           spelled(config.Monitor),
		"max_failure_ratio": strconv.FormatFloat(float64(config.MaxFailureRatio), 'f', 1, 64),
		"order":             config.Order,
	})
}

func taskState(task swarm.TaskSpec) block {
	state := block{"force_update": int(task.ForceUpdate)}
	if task.ContainerSpec != nil {
		state["container_spec"] = list(containerState(task.ContainerSpec))
	}
	if resources := task.Resources; resources != nil {
		limits := []any{}
		if resources.Limits != nil {
			limits = list(block{
				"nano_cpus": int(resources.Limits.NanoCPUs), "memory_bytes": int(resources.Limits.MemoryBytes),
			})
		}
		state["resources"] = list(block{"limits": limits})
	}
	if policy := task.RestartPolicy; policy != nil {
		one := block{"condition": string(policy.Condition)}
		if policy.Delay != nil {
			one["delay"] = spelled(*policy.Delay)
		}
		if policy.MaxAttempts != nil {
			one["max_attempts"] = int(*policy.MaxAttempts)
		}
		if policy.Window != nil {
			one["window"] = spelled(*policy.Window)
		}
		state["restart_policy"] = list(one)
	}
	if placement := task.Placement; placement != nil {
		var prefs, platforms []any
		for _, preference := range placement.Preferences {
			prefs = append(prefs, preference.Spread.SpreadDescriptor)
		}
		for _, platform := range placement.Platforms {
			platforms = append(platforms, map[string]any{"architecture": platform.Architecture, "os": platform.OS})
		}
		state["placement"] = list(block{
			"constraints": placement.Constraints, "max_replicas": int(placement.MaxReplicas),
			"prefs": prefs, "platforms": platforms,
		})
	}
	var networks []any
	for _, network := range task.Networks {
		networks = append(networks, map[string]any{"id": network.Target, "aliases": network.Aliases})
	}
	state["networks_advanced"] = networks
	if task.LogDriver != nil {
		state["log_driver"] = list(block{"name": task.LogDriver.Name, "options": task.LogDriver.Options})
	}
	return state
}

func containerState(spec *swarm.ContainerSpec) block {
	env := map[string]string{}
	for _, variable := range spec.Env {
		name, value, _ := strings.Cut(variable, "=")
		env[name] = value
	}
	state := block{
		"image":       spec.Image,
		"labels":      labelBlocks(spec.Labels),
		"command":     spec.Command,
		"args":        spec.Args,
		"hostname":    spec.Hostname,
		"env":         env,
		"user":        spec.User,
		"dir":         spec.Dir,
		"read_only":   spec.ReadOnly,
		"stop_signal": spec.StopSignal,
		"cap_add":     spec.CapabilityAdd,
		"cap_drop":    spec.CapabilityDrop,
		"mounts":      mountState(spec),
		"healthcheck": healthState(spec.Healthcheck),
	}
	if spec.Init != nil {
		state["init"] = *spec.Init
	}
	if spec.StopGracePeriod != nil {
		state["stop_grace_period"] = spelled(*spec.StopGracePeriod)
	}
	var secrets, configs []any
	for _, secret := range spec.Secrets {
		one := map[string]any{"secret_id": secret.SecretID, "secret_name": secret.SecretName}
		if file := secret.File; file != nil {
			one["file_name"], one["file_uid"], one["file_gid"], one["file_mode"] =
				file.Name, file.UID, file.GID, int(file.Mode)
		}
		secrets = append(secrets, one)
	}
	for _, config := range spec.Configs {
		one := map[string]any{"config_id": config.ConfigID, "config_name": config.ConfigName}
		if file := config.File; file != nil {
			one["file_name"], one["file_uid"], one["file_gid"], one["file_mode"] =
				file.Name, file.UID, file.GID, int(file.Mode)
		}
		configs = append(configs, one)
	}
	state["secrets"], state["configs"] = secrets, configs
	return state
}

func mountState(spec *swarm.ContainerSpec) []any {
	var mounts []any
	for _, mount := range spec.Mounts {
		one := map[string]any{
			"target": mount.Target, "source": mount.Source, "type": string(mount.Type), "read_only": mount.ReadOnly,
		}
		if options := mount.VolumeOptions; options != nil {
			volume := block{"no_copy": options.NoCopy}
			if driver := options.DriverConfig; driver != nil {
				volume["driver_name"], volume["driver_options"] = driver.Name, driver.Options
			}
			one["volume_options"] = list(volume)
		}
		if options := mount.TmpfsOptions; options != nil {
			// The bits above the permissions are not read back.
			one["tmpfs_options"] = list(block{"size_bytes": int(options.SizeBytes), "mode": int(options.Mode.Perm())})
		}
		mounts = append(mounts, one)
	}
	return mounts
}

func healthState(check *container.HealthConfig) []any {
	if check == nil {
		return nil
	}
	return list(block{
		"test": check.Test, "retries": check.Retries, "interval": spelled(check.Interval),
		"timeout": spelled(check.Timeout), "start_period": spelled(check.StartPeriod),
	})
}

// spelled is Go's spelling of a duration without what is nought at its end: "1m30s", "2m".
func spelled(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}
