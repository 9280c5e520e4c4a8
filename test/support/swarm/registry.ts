/** A registry that the machines of a lab pull from, with a certificate of its own. */
import { mkdirSync, writeFileSync } from "node:fs";
import { request } from "node:https";
import { join } from "node:path";
import { createCertificate } from "../../../infra/components/edge/certificate.ts";
import { createContext } from "../../../tools/find/index.ts";
import { registryPart } from "../../../tools/find/registry.ts";
import { docker } from "../box/machine.ts";
import { eventually } from "../http.ts";
import type { Machine } from "./machine.ts";

export interface Registry {
  /** host:port, as the machines of the lab and this one reach it. */
  readonly address: string;
  /** The certificate that the machines have to trust, PEM. */
  readonly authority: string;
  /** Brings an image of a machine's engine into the registry. @returns it by digest, as every machine can pull it */
  push(from: Pick<Machine, "docker">, image: string, repository: string): string;
}

const PORT = 5000;

const CONFIG = `version: 0.1
log: { level: warn, accesslog: { disabled: true } }
storage: { filesystem: { rootdirectory: /var/lib/registry } }
http:
  addr: :${PORT}
  tls: { certificate: /registry/certificate.pem, key: /registry/key.pem }
`;

/**
 * @param options for `docker run`: its network, address and labels.
 * @param host the address among these.
 * @param work a folder for its files.
 */
export async function startRegistry(
  name: string,
  options: readonly string[],
  host: string,
  work: string,
): Promise<Registry> {
  const program = await registryPart.ensure(createContext());
  const folder = join(work, "registry");
  mkdirSync(folder);
  const { certificate, key } = await createCertificate([host]);
  const files = { "config.yml": CONFIG, "certificate.pem": certificate, "key.pem": key };
  for (const [file, content] of Object.entries(files)) writeFileSync(join(folder, file), content);
  docker(
    ...["run", "-d", "--init", "--name", name, ...options],
    ...["-v", `${program}:/program:ro`, "-v", `${folder}:/registry:ro`, "-v", "/var/lib/registry"],
    ...["debian:trixie-slim", "/program", "serve", "/registry/config.yml"],
  );
  const address = `${host}:${PORT}`;
  await eventually("a registry", 20, () => answers(`https://${address}/v2/`, certificate));
  return {
    address,
    authority: certificate,
    push(from, image, repository) {
      const name = `${address}/${repository}`;
      from.docker("tag", image, name);
      const said = from.docker("push", name);
      const digest = /digest: (sha256:[0-9a-f]{64})/.exec(said)?.[1];
      if (digest === undefined) throw new Error(`the registry named no digest of ${image}:\n${said}`);
      return `${name}@${digest}`;
    },
  };
}

/** Whether it answers to somebody who trusts its certificate. */
const answers = (url: string, ca: string): Promise<boolean> =>
  new Promise((resolve) => {
    request(url, { ca, agent: false }, (response) => {
      response.resume();
      resolve(response.statusCode === 200);
    })
      .on("error", () => resolve(false))
      .end();
  });
