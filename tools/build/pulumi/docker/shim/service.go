package shim

import (
	"context"
	"fmt"

	"github.com/docker/docker/api/types"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/client"
	"github.com/hashicorp/terraform-plugin-sdk/v2/diag"
	"github.com/hashicorp/terraform-plugin-sdk/v2/helper/schema"
)

// beLikeTheNewerService makes docker_service what it is in the newer provider: networks with aliases, capabilities, init, and
// mounts of memory, which upstream's cannot write and stops the whole provider over. The properties that the stack has no use
// for are taken out, so that a program that names one is told (info/strict.go); so is converge_config, which calls a rolling
// update complete while old tasks still run.
func beLikeTheNewerService(service *schema.Resource) {
	service.Schema = serviceSchema(service.Schema)
	service.SchemaVersion, service.StateUpgraders = 0, nil
	service.CreateContext = createService
	service.ReadContext = readService
	service.UpdateContext = updateService
	service.DeleteContext = deleteService
}

func createService(ctx context.Context, d *schema.ResourceData, meta any) diag.Diagnostics {
	spec, err := serviceSpec(d)
	if err != nil {
		return diag.FromErr(err)
	}
	// As the newer provider: the registry is asked for the image's digest and platforms, which become part of the service.
	created, err := dockerClient(meta).ServiceCreate(ctx, spec, types.ServiceCreateOptions{QueryRegistry: true})
	if err != nil {
		return diag.FromErr(fmt.Errorf("cannot create service %s: %w", spec.Name, err))
	}
	d.SetId(created.ID)
	return readService(ctx, d, meta)
}

func readService(ctx context.Context, d *schema.ResourceData, meta any) diag.Diagnostics {
	found, _, err := dockerClient(meta).ServiceInspectWithRaw(ctx, d.Id(), types.ServiceInspectOptions{})
	if client.IsErrNotFound(err) {
		d.SetId("")
		return nil
	}
	if err != nil {
		return diag.FromErr(err)
	}
	var diags diag.Diagnostics
	for name, value := range serviceState(found.Spec) {
		if err := d.Set(name, value); err != nil {
			diags = append(diags, diag.Errorf("cannot read back %s of service %s: %s", name, found.Spec.Name, err)...)
		}
	}
	return diags
}

func updateService(ctx context.Context, d *schema.ResourceData, meta any) diag.Diagnostics {
	docker := dockerClient(meta)
	found, _, err := docker.ServiceInspectWithRaw(ctx, d.Id(), types.ServiceInspectOptions{})
	if err != nil {
		return diag.FromErr(err)
	}
	spec, err := serviceSpec(d)
	if err != nil {
		return diag.FromErr(err)
	}
	if _, err := docker.ServiceUpdate(ctx, d.Id(), found.Version, spec, types.ServiceUpdateOptions{}); err != nil {
		return diag.FromErr(fmt.Errorf("cannot update service %s: %w", spec.Name, err))
	}
	return readService(ctx, d, meta)
}

// deleteService waits, as upstream does, for the containers that the asked engine itself has: those of other nodes may still
// stop when it is over.
func deleteService(ctx context.Context, d *schema.ResourceData, meta any) diag.Diagnostics {
	docker := dockerClient(meta)
	own, err := docker.ContainerList(ctx, types.ContainerListOptions{
		Filters: filters.NewArgs(filters.Arg("label", "com.docker.swarm.service.id="+d.Id())),
	})
	if err != nil {
		return diag.FromErr(err)
	}
	if err := docker.ServiceRemove(ctx, d.Id()); err != nil && !client.IsErrNotFound(err) {
		return diag.FromErr(err)
	}
	for _, container := range own {
		ended, failed := docker.ContainerWait(ctx, container.ID, "removed")
		select {
		case <-ended:
		case err := <-failed:
			if !client.IsErrNotFound(err) {
				return diag.FromErr(err)
			}
		}
	}
	d.SetId("")
	return nil
}
