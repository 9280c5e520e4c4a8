/** The cases of rule command-containers. */
import { shortLived, writeIntoVolume } from "../../../infra/resources/short-lived.ts";
import { commandContainers } from "../../rules/command-containers.ts";
import { command, DIGEST, testRule } from "../support/cases.ts";

const environment = { IMAGE: DIGEST, VOLUME: "omniai-prod-files-0a1b2c3", NETWORK: "omniai-prod-data" };
const SCRIPT = shortLived({
  user: "1000:1000",
  memory: 192,
  pids: 64,
  network: "NETWORK",
  volumes: [{ variable: "VOLUME", path: "/run/secrets", readOnly: true }],
  flags: ["--init", '--label "io.omniai.stack=$STACK"', "-e PGHOST"],
  command: '"$IMAGE" node service/dist/migrate.js',
});

/** The same with one flag in place of another. */
const instead = (flag: string, other: string, inside = SCRIPT) => {
  if (!inside.includes(flag)) throw new Error(`the script has no ${flag}: ${inside}`);
  return command({ create: inside.replace(flag, other), environment });
};
const valued = (change: Partial<typeof environment>) =>
  command({ create: SCRIPT, environment: { ...environment, ...change } });

testRule(commandContainers, {
  passes: {
    "on a network, as a user": command({ create: SCRIPT, environment }),
    "as root without a network, to write files": command({
      create: writeIntoVolume(["-e OWNER"]),
      environment,
    }),
    "none at all": command({ create: 'docker exec -i "$CONTAINER" psql -X' }),
  },
  fails: {
    privileged: [instead("--init", "--privileged"), /--privileged/],
    "with the host's processes": [instead("--init", "--pid=host"), /--pid=host/],
    "with a device": [instead("--init", "--device /dev/sda"), /--device/],
    "with flags in a variable": [instead("--init", "$FLAGS"), /\$FLAGS stands without quotes/],
    "that stays": [instead("--rm ", ""), /--rm/],
    "with a root that can be written": [instead("--read-only ", ""), /--read-only/],
    "with its capabilities": [instead("--cap-drop ALL ", ""), /--cap-drop ALL/],
    "with one capability more": [
      instead("--cap-drop ALL", "--cap-drop ALL --cap-add SYS_ADMIN"),
      /SYS_ADMIN/,
    ],
    "with new privileges": [instead("--security-opt no-new-privileges ", ""), /no-new-privileges/],
    "without its seccomp profile": [
      instead("--init", "--security-opt seccomp=unconfined"),
      /seccomp=unconfined/,
    ],
    "without a limit on memory": [instead("--memory 192m ", ""), /--memory/],
    "with swap": [instead("--memory-swap 192m", "--memory-swap -1"), /--memory-swap/],
    "without a limit on cores": [instead("--cpus 1 ", ""), /--cpus/],
    "without a limit on processes": [instead("--pids-limit 64 ", ""), /--pids-limit/],
    "as root on a network": [instead("--user 1000:1000", "--user 0:0"), /root and has a network/],
    "as whoever the image says, on a network": [instead("--user 1000:1000 ", ""), /root and has a network/],
    "on a network by a name in the script": [instead('"$NETWORK"', "host"), /its network is "host"/],
    "on no network of its own": [instead('--network "$NETWORK" ', ""), /its network is ""/],
    "on a folder of the host": [
      instead('-v "$VOLUME:/run/secrets:ro"', "-v /:/host"),
      /its volume is "\/:\/host"/,
    ],
    "with a value in its arguments": [instead("-e PGHOST", "-e PGHOST=x"), /PGHOST=x/],
    "of an image by name": [instead('"$IMAGE"', "alpine"), /its image is "alpine"/],
    "on a folder, by its variable": [valued({ VOLUME: "/" }), /its volume \(VOLUME\) is "\/"/],
    "on the host's network, by its variable": [
      valued({ NETWORK: "host" }),
      /its network \(NETWORK\) is "host"/,
    ],
    "on a container's network, by its variable": [
      valued({ NETWORK: "container:edge" }),
      /its network \(NETWORK\) is "container:edge"/,
    ],
    "of an image that can move, by its variable": [
      valued({ IMAGE: "alpine" }),
      /its image \(IMAGE\) is "alpine"/,
    ],
    "as root with more than files need": [
      instead("--cap-add CHOWN", "--cap-add SYS_ADMIN", writeIntoVolume()),
      /SYS_ADMIN/,
    ],
    "made, not run": [
      instead("docker run --rm", "docker container create --rm --privileged"),
      /--privileged/,
    ],
  },
});
