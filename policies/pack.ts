/** The pack: a list of every rule. Each rule is in a file of its own. */
import { isAbout, REMOTE_COMMAND, type Rule } from "./rule.ts";
import { commandContainers } from "./rules/command-containers.ts";
import { commandKnown } from "./rules/command-known.ts";
import { commandSecrets } from "./rules/command-secrets.ts";
import { containerApparmor } from "./rules/container-apparmor.ts";
import { containerCapabilities } from "./rules/container-capabilities.ts";
import { containerCgroup } from "./rules/container-cgroup.ts";
import { containerCpu } from "./rules/container-cpu.ts";
import { containerDevices } from "./rules/container-devices.ts";
import { containerEngineSocket } from "./rules/container-engine-socket.ts";
import { containerEnvNames } from "./rules/container-env-names.ts";
import { containerHealth } from "./rules/container-health.ts";
import { containerImageId } from "./rules/container-image-id.ts";
import { containerInit } from "./rules/container-init.ts";
import { containerLogs } from "./rules/container-logs.ts";
import { containerMemory } from "./rules/container-memory.ts";
import { containerMounts } from "./rules/container-mounts.ts";
import { containerMustRun } from "./rules/container-must-run.ts";
import { containerNamespaces } from "./rules/container-namespaces.ts";
import { containerNetworkMode } from "./rules/container-network-mode.ts";
import { containerNetworks } from "./rules/container-networks.ts";
import { containerNoNewPrivileges } from "./rules/container-no-new-privileges.ts";
import { containerPids } from "./rules/container-pids.ts";
import { containerPortAddress } from "./rules/container-port-address.ts";
import { containerPortNumbers } from "./rules/container-port-numbers.ts";
import { containerPrivileged } from "./rules/container-privileged.ts";
import { containerPropagation } from "./rules/container-propagation.ts";
import { containerPublishAll } from "./rules/container-publish-all.ts";
import { containerReadOnly } from "./rules/container-read-only.ts";
import { containerReplacement } from "./rules/container-replacement.ts";
import { containerRestart } from "./rules/container-restart.ts";
import { containerSeccomp } from "./rules/container-seccomp.ts";
import { containerSecrets } from "./rules/container-secrets.ts";
import { containerSelinux } from "./rules/container-selinux.ts";
import { containerStopGrace } from "./rules/container-stop-grace.ts";
import { containerUlimits } from "./rules/container-ulimits.ts";
import { containerUser } from "./rules/container-user.ts";
import { containerWait } from "./rules/container-wait.ts";
import { dataNetwork } from "./rules/data-network.ts";
import { dataVolume } from "./rules/data-volume.ts";
import { dnsProxied } from "./rules/dns-proxied.ts";
import { externalTls } from "./rules/external-tls.ts";
import { hostCapacity } from "./rules/host-capacity.ts";
import { imageDigest } from "./rules/image-digest.ts";
import { overlayNetwork } from "./rules/overlay-network.ts";
import { plainSecrets } from "./rules/plain-secrets.ts";
import { providerOrigin } from "./rules/provider-origin.ts";
import { resourceTypes } from "./rules/resource-types.ts";
import { serviceCapabilities } from "./rules/service-capabilities.ts";
import { serviceCpu } from "./rules/service-cpu.ts";
import { serviceEndpoint } from "./rules/service-endpoint.ts";
import { serviceEnvNames } from "./rules/service-env-names.ts";
import { serviceFiles } from "./rules/service-files.ts";
import { serviceHealth } from "./rules/service-health.ts";
import { serviceImage } from "./rules/service-image.ts";
import { serviceInit } from "./rules/service-init.ts";
import { serviceLogs } from "./rules/service-logs.ts";
import { serviceMemory } from "./rules/service-memory.ts";
import { serviceMounts } from "./rules/service-mounts.ts";
import { serviceNetworks } from "./rules/service-networks.ts";
import { servicePorts } from "./rules/service-ports.ts";
import { serviceReadOnly } from "./rules/service-read-only.ts";
import { serviceRestart } from "./rules/service-restart.ts";
import { serviceRuntime } from "./rules/service-runtime.ts";
import { serviceSecrets } from "./rules/service-secrets.ts";
import { serviceStopGrace } from "./rules/service-stop-grace.ts";
import { serviceUpdate } from "./rules/service-update.ts";
import { serviceUser } from "./rules/service-user.ts";
import { tunnelPorts } from "./rules/tunnel-ports.ts";
import { zoneTls } from "./rules/zone-tls.ts";
import { zoneTlsComplete } from "./rules/zone-tls-complete.ts";

export const RULES: readonly Rule[] = [
  commandContainers,
  commandKnown,
  commandSecrets,
  containerApparmor,
  containerCapabilities,
  containerCgroup,
  containerCpu,
  containerDevices,
  containerEngineSocket,
  containerEnvNames,
  containerHealth,
  containerImageId,
  containerInit,
  containerLogs,
  containerMemory,
  containerMounts,
  containerMustRun,
  containerNamespaces,
  containerNetworkMode,
  containerNetworks,
  containerNoNewPrivileges,
  containerPids,
  containerPortAddress,
  containerPortNumbers,
  containerPrivileged,
  containerPropagation,
  containerPublishAll,
  containerReadOnly,
  containerReplacement,
  containerRestart,
  containerSeccomp,
  containerSecrets,
  containerSelinux,
  containerStopGrace,
  containerUlimits,
  containerUser,
  containerWait,
  dataNetwork,
  dataVolume,
  dnsProxied,
  externalTls,
  hostCapacity,
  imageDigest,
  overlayNetwork,
  plainSecrets,
  providerOrigin,
  resourceTypes,
  serviceCapabilities,
  serviceCpu,
  serviceEndpoint,
  serviceEnvNames,
  serviceFiles,
  serviceHealth,
  serviceImage,
  serviceInit,
  serviceLogs,
  serviceMemory,
  serviceMounts,
  serviceNetworks,
  servicePorts,
  serviceReadOnly,
  serviceRestart,
  serviceRuntime,
  serviceSecrets,
  serviceStopGrace,
  serviceUpdate,
  serviceUser,
  tunnelPorts,
  zoneTls,
  zoneTlsComplete,
];

/** Those that judge a step on the host, and nothing but those steps. */
export const HOST_RULES: readonly Rule[] = RULES.flatMap((rule) =>
  rule.kind === "resource" && isAbout(rule, REMOTE_COMMAND) ? [{ ...rule, types: [REMOTE_COMMAND] }] : [],
);
