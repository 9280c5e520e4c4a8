/** The cases of rule container-mounts. */
import { containerMounts } from "../../rules/container-mounts.ts";
import { container, testRule, volume } from "../support/cases.ts";

const mounting = (hostPath: string) => container({ volumes: [{ hostPath, containerPath: "/x" }] });

testRule(containerMounts, {
  passes: {
    "a named volume": container(),
    "a folder of data": container({ volumes: [{ hostPath: "/srv/omniai", containerPath: "/data" }] }),
    "a volume of the engine's, by mounts": container({
      mounts: [{ type: "volume", source: "omniai-prod-data", target: "/data" }],
    }),
    "a folder whose name only begins like one": mounting("/etcetera"),
    "the engine's logs, to read, for the agent": container({
      labels: [{ label: "io.omniai.workload", value: "vlagent" }],
      volumes: [{ hostPath: "/var/lib/docker/containers", containerPath: "/containers", readOnly: true }],
    }),
    "control groups, to read, for the reader": container({
      labels: [{ label: "io.omniai.workload", value: "reader" }],
      volumes: [{ hostPath: "/sys/fs/cgroup/", containerPath: "/host/cgroup", readOnly: true }],
    }),
    "a volume without options": volume("omniai-prod-data", { name: "omniai-prod-data" }),
    "a volume on NFS": volume("nfs", { driverOpts: { type: "nfs", o: "addr=10.0.0.1", device: ":/etc" } }),
  },
  fails: {
    "the engine's logs, for another": [
      container({
        volumes: [{ hostPath: "/var/lib/docker/containers", containerPath: "/containers", readOnly: true }],
      }),
      /docker\/containers/,
    ],
    "the engine's whole folder, for the agent": [
      container({
        labels: [{ label: "io.omniai.workload", value: "vlagent" }],
        volumes: [{ hostPath: "/var/lib/docker", containerPath: "/containers", readOnly: true }],
      }),
      /\/var\/lib\/docker of/,
    ],
    "the engine's logs, to write": [
      container({
        labels: [{ label: "io.omniai.workload", value: "vlagent" }],
        volumes: [{ hostPath: "/var/lib/docker/containers", containerPath: "/containers" }],
      }),
      /docker\/containers/,
    ],
    "control groups, to write": [mounting("/sys/fs/cgroup"), /\/sys\/fs\/cgroup/],
    "one control group, to read": [
      container({
        volumes: [{ hostPath: "/sys/fs/cgroup/docker", containerPath: "/host/cgroup", readOnly: true }],
      }),
      /\/sys\/fs\/cgroup\/docker/,
    ],
    "two slashes": [mounting("//etc"), /mounts \/etc of/],
    "a slash at the end": [mounting("/etc/"), /mounts \/etc of/],
    "dots in between": [mounting("/srv/../etc/./ssl"), /mounts \/etc\/ssl of/],
    "the parent of the engine's folder": [mounting("/var"), /mounts \/var of/],
    "its parent with a slash": [mounting("/var/lib/"), /mounts \/var\/lib of/],
    "the engine's run folder": [mounting("/run/docker"), /\/run\/docker/],
    "a volume whose name is a path": [
      container({ volumes: [{ volumeName: "/etc", containerPath: "/x" }] }),
      /mounts \/etc of/,
    ],
    "a volume that is a bind mount": [
      volume("etc", { driverOpts: { type: "none", o: "bind", device: "/etc" } }),
      /mounts \/etc of/,
    ],
    "a volume that is a disk": [
      volume("disk", { driverOpts: { type: "ext4", device: "/dev/sda1" } }),
      /\/dev\/sda1/,
    ],
    "a volume that is made by the mount": [
      container({
        mounts: [
          {
            type: "volume",
            target: "/x",
            volumeOptions: { driverOptions: { type: "none", o: "bind", device: "/root" } },
          },
        ],
      }),
      /mounts \/root of/,
    ],
    "a folder below /etc": [
      container({ volumes: [{ hostPath: "/etc/ssl", containerPath: "/x" }] }),
      /\/etc\/ssl/,
    ],
    "the root, by mounts": [
      container({ mounts: [{ type: "bind", source: "/", target: "/x" }] }),
      /mounts \/ of/,
    ],
  },
});
