/**
 * The edge on a swarm: nginx on every node that is labelled for it. Its configuration comes with its tasks, so another one
 * is a rolling update and not a reload; which replicas there are it asks the swarm's DNS.
 */
import * as pulumi from "@pulumi/pulumi";
import { contentHash } from "../../resources/archive.ts";
import { useImage } from "../../resources/image.ts";
import { ServiceFiles } from "../../resources/service-files.ts";
import { serviceName, tasksOf } from "../../service-name.ts";
import { ServiceWorkload } from "../../service.ts";
import type { Replica } from "../../workload.ts";
import { keepAliveLadder } from "./ladder.ts";
import { MAINTENANCE_TYPE, SHARED_MAINTENANCE_FILE, SHARED_MAINTENANCE_FOLDER } from "./maintenance.ts";
import { limitScript } from "./memory.ts";
import { HTTP_PORT, HTTPS_PORT, renderNginx, STATUS_PORT } from "./nginx.ts";
import { hashOfPage, packPage } from "./page.ts";
import { certificateEnds, createCertificate, settingsOf, user, type EdgeSettings } from "./settings.ts";
import { EDGE_FOLDER, PAGE_ARCHIVE, PAGE_FOLDER } from "./switch.ts";

export interface EdgeServiceArgs extends EdgeSettings {
  /** The name that the swarm's DNS has for the replicas, how many there are, and what has to be healthy before. */
  readonly upstream: { readonly name: string; readonly replicas: number; readonly ready: pulumi.Resource };
}

/** How long a task of the edge waits for an answer of the DNS before it begins, in seconds; and as long for its node. */
const LOOK_SECONDS = 10;

/** What the edge and the task that switches maintenance share on a node, in KiB: one small file. */
const SHARED_KIB = 64;

/**
 * A task of the edge: the page out of its archive, and then nginx. It begins when the DNS knows replicas, because nginx asks
 * on its own time and would have nobody for the first requests; but without any it begins as well, and says so to visitors.
 * On a node that has just come, maintenance may begin a moment after this task. So the tasks on other nodes are asked, and
 * where they are in maintenance, this one waits until its node is too.
 */
export const EDGE_SERVICE_SCRIPT = `set -eu
if [ -e ${EDGE_FOLDER}/${PAGE_ARCHIVE} ]; then
  mkdir -p "${EDGE_FOLDER}/releases/$RELEASE/${PAGE_FOLDER}"
  tar -C "${EDGE_FOLDER}/releases/$RELEASE/${PAGE_FOLDER}" -xzf ${EDGE_FOLDER}/${PAGE_ARCHIVE}
fi
tries=0
until getent hosts "$UPSTREAM" >/dev/null; do
  tries=$((tries + 1))
  if [ "$tries" -ge ${LOOK_SECONDS * 2} ]; then
    echo "the DNS has no address for $UPSTREAM after ${LOOK_SECONDS} s; the edge begins without a replica" >&2
    break
  fi
  sleep 0.5
done
others() { timeout 1 getent hosts "$PEERS" | cut -d ' ' -f 1 | sort -u; }
others_are_in_maintenance() {
  addresses=$(others)
  # On a node that has just come, the DNS may hear of the replicas a moment before it hears of them.
  if [ -z "$addresses" ]; then
    sleep 0.5
    addresses=$(others)
  fi
  for address in $addresses; do
    if curl -s --max-time 1 "http://$address:${HTTP_PORT}/api/" | grep -q '${MAINTENANCE_TYPE}'; then return 0; fi
  done
  return 1
}
tries=0
if [ ! -e ${SHARED_MAINTENANCE_FILE} ] && others_are_in_maintenance; then
  until [ -e ${SHARED_MAINTENANCE_FILE} ]; do
    tries=$((tries + 1))
    if [ "$tries" -ge ${LOOK_SECONDS * 10} ]; then
      echo "other nodes are in maintenance and this one is not after ${LOOK_SECONDS} s; its edge answers" >&2
      break
    fi
    sleep 0.1
  done
fi
exec nginx -c ${EDGE_FOLDER}/nginx.conf -g "daemon off;"
`;

export class EdgeService extends pulumi.ComponentResource {
  readonly imageId: pulumi.Output<string>;
  readonly names: pulumi.Output<string[]>;
  /** The hash of the configuration that serves, known once every task of the edge has it. */
  readonly release: pulumi.Output<string>;
  /** When the generated certificate ends, as an ISO date and time. */
  readonly certificateEnds: pulumi.Output<string>;
  /** What only an edge on one engine has. */
  readonly handover = undefined;
  readonly replicas: readonly Replica[] = [];

  constructor(args: EdgeServiceArgs, opts?: pulumi.ComponentResourceOptions) {
    super("omniai:edge:EdgeService", `${pulumi.getStack()}-edge`, {}, opts);
    this.imageId = useImage(args.engine, "edge", args.image, this);
    const certificate = createCertificate(args, this);
    this.certificateEnds = certificateEnds(certificate);
    const { release, files } = this.#createFiles(args, {
      certificate: certificate.apply((pair) => pair.certificate),
      key: certificate.apply((pair) => pair.key),
    });
    const service = this.#createService(args, release, files);
    this.names = service.names;
    this.release = pulumi.all([release, this.names]).apply(([name]) => name);
    this.registerOutputs({ names: this.names, imageId: this.imageId, release: this.release });
  }

  #createFiles(
    args: EdgeServiceArgs,
    pair: { readonly certificate: pulumi.Output<string>; readonly key: pulumi.Output<string> },
  ): { release: pulumi.Output<string>; files: ServiceFiles } {
    const { name, replicas } = args.upstream;
    const settings = {
      ...settingsOf(args),
      upstreams: [{ name, replicas }],
      tls: true,
      maintenanceFile: SHARED_MAINTENANCE_FILE,
    };
    const rendered = pulumi.all([pair.certificate, ...(args.realIp?.from ?? [])]).apply(([pem, ...from]) => {
      const realIp = args.realIp && { from, header: args.realIp.header };
      const render = (release: string): string => renderNginx({ ...settings, release, realIp });
      const release = contentHash(render("") + pem + hashOfPage(args.page));
      return { release, conf: toBase64(render(release)) };
    });
    // Text before it is an output: an output takes a Buffer apart into its fields.
    const page = packPage(args.page, user).then(
      (packed) => packed[PAGE_ARCHIVE]?.content.toString("base64") ?? "",
    );
    const files = new ServiceFiles(
      `omniai-${pulumi.getStack()}-edge`,
      {
        engine: args.engine,
        workload: "edge",
        owner: user,
        folder: EDGE_FOLDER,
        secrets: { "tls/certificate.pem": pair.certificate, "tls/key.pem": pair.key },
        configs: {
          // Made with a certificate, and without anything of it.
          "nginx.conf": pulumi.unsecret(rendered.apply(({ conf }) => conf)),
          ...(args.page.length === 0
            ? {}
            : {
                [PAGE_ARCHIVE]: page,
              }),
        },
      },
      { parent: this },
    );
    return { release: pulumi.unsecret(rendered.apply(({ release }) => release)), files };
  }

  #createService(
    args: EdgeServiceArgs,
    release: pulumi.Output<string>,
    files: ServiceFiles,
  ): ServiceWorkload {
    return new ServiceWorkload(
      "edge",
      {
        engine: args.engine,
        tasks: "edge nodes",
        image: this.imageId,
        user: `${user.uid}:${user.gid}`,
        entrypoint: ["sh", "-c"],
        command: [`${limitScript(args.memory)}${EDGE_SERVICE_SCRIPT}`],
        environment: {
          RELEASE: release,
          UPSTREAM: args.upstream.name,
          PEERS: tasksOf(pulumi.getStack(), "edge"),
        },
        networks: args.networks,
        ports: args.publishPorts
          ? [
              { internal: HTTP_PORT, external: args.httpPort },
              { internal: HTTPS_PORT, external: args.httpsPort },
            ]
          : [],
        files,
        tmpfs: {
          "/tmp": "size=32m,mode=777",
          ...(args.page.length === 0 ? {} : { [`${EDGE_FOLDER}/releases`]: "size=16m,mode=777" }),
        },
        nodeMemory: {
          [SHARED_MAINTENANCE_FOLDER]: {
            volume: `${serviceName(pulumi.getStack(), "edge")}-maintenance`,
            size: SHARED_KIB,
          },
        },
        health: {
          command: ["curl", "-fsS", "-o", "/dev/null", `http://127.0.0.1:${STATUS_PORT}/live`],
          startPeriod: LOOK_SECONDS + 15,
        },
        memory: args.memory,
        cpus: args.cpus,
        // Others serve meanwhile, so this one has time: it takes no new connection, and keeps each that it has until its
        // client has been silent for as long as it was told. Streams are cut at the end, and their clients come back.
        stopSignal: "SIGQUIT",
        stopGrace: keepAliveLadder(args.switchSeconds).edge + STOP_MARGIN,
        dependsOn: [args.upstream.ready],
      },
      { parent: this },
    );
  }
}

/** For requests under way, in seconds. */
const STOP_MARGIN = 5;

const toBase64 = (text: string): string => Buffer.from(text).toString("base64");
