/** The list of known scripts: it has each script that a stack declares, and no other. */
import { strict as assert } from "node:assert";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { makeKey } from "../../ops/commands/backup/key.ts";
import { record, type Declared } from "../../infra/test/support/recorder.ts";
import { ownerValues, stackFile } from "../../infra/test/support/stack-file.ts";
import { SWARM_SECRETS, swarmConfig } from "../../infra/test/support/swarm-config.ts";
import { SECRETS } from "../../infra/test/support/tunnel-config.ts";
import { hashOf } from "../known-scripts.ts";
import { COMMANDS, scriptFile, scriptsOf, type CommandProps } from "../rule.ts";
import { allowedTypes } from "../rules/resource-types.ts";
import { plain } from "./support/recorded.ts";

const FILE = join(import.meta.dirname, "..", "known-scripts.json");

const host = {
  hostPrepare: true,
  hostAddress: "host.example.org",
  hostKey: "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIE",
};

const ipv6 = { bindAddressIpv6: "2001:db8::7" };

const watch = {
  cloudflareWatch: true,
  cloudflareWatchSecretUrl: "https://canary.example/ping",
  cloudflareWatchSecretToken: "canary-token",
};

const acme = {
  tls: "acme",
  certificateHosts: ["api.example.org", "*.example.org"],
  acmeCloudflareToken: "canary-token",
  // The copy of the certificates is for the bucket.
  ...{ backups: "always", offsiteBucket: "https://s3.example.org/bucket", offsiteAccessKeyId: "id" },
  ...{ offsiteSecretKey: "secret", offsiteKey: makeKey() },
};

const push = { webPush: true, webPushContact: "mailto:ops@example.org" };

const synchronous = { backups: "always", backupSynchronous: true };

/** Stacks that, taken together, declare everything that the program can. */
const STACKS: readonly Parameters<typeof record>[] = [
  ["staging", { ...stackFile("staging"), ...ownerValues["staging"] }, SECRETS],
  [
    "prod",
    { ...stackFile("prod"), ...ownerValues["prod"], ...watch, ...push },
    [...SECRETS, ...Object.keys(watch).slice(1)],
  ],
  ["staging", { ...stackFile("staging"), ...ownerValues["staging"], ...synchronous }, SECRETS],
  ["acme", acme, ["acmeCloudflareToken", "offsiteSecretKey", "offsiteKey"]],
  ["swarm", swarmConfig, SWARM_SECRETS],
  ...["root", "deploy"].map((hostUser): Parameters<typeof record> => {
    const dockerHost = `ssh://${hostUser}@host.example.org`;
    return ["host", { ...host, hostUser, dockerHost, bindAddressIpv6: "::1" }];
  }),
  // The settings of a step are no part of what is known, so this adds nothing to the list.
  ["host", { ...host, hostUser: "root", dockerHost: "ssh://root@host.example.org", ...ipv6 }],
];

describe("what the policies know of the program", () => {
  const everything: Declared[] = [];
  before(async () => {
    // One after the other, because the mocks are those of the whole process.
    for (const stack of STACKS) everything.push(...(await record(...stack)).resources);
  });

  it("is each script that a stack runs, and no other (UPDATE_SNAPSHOTS=1 writes the list)", () => {
    const found = new Map<string, string>();
    const commands = everything.filter(({ type }) => COMMANDS.some((one) => one === type));
    for (const { name, inputs } of commands) {
      // Without the stack and the number of a replica, it is the same script everywhere.
      const what = name.replace(/^omniai-[a-z]+-/, "").replace(/-\d+$/, "");
      for (const script of scriptsOf(plain(inputs) as CommandProps)) {
        const hash = hashOf(script);
        found.set(hash, [...new Set([...(found.get(hash)?.split(", ") ?? []), what])].sort().join(", "));
      }
    }
    const sorted = [...found].sort(
      ([hash, left], [other, right]) => left.localeCompare(right) || hash.localeCompare(other),
    );
    const text = `${JSON.stringify(Object.fromEntries(sorted), null, 2)}\n`;
    if (process.env["UPDATE_SNAPSHOTS"]) writeFileSync(FILE, text);
    assert.equal(readFileSync(FILE, "utf8"), text, `${FILE}: read what changed, then UPDATE_SNAPSHOTS=1`);
  });

  it("is all that a file runs which a command names: such a file has no other one of the program in it", () => {
    const commands = everything.filter(({ type }) => COMMANDS.some((one) => one === type));
    const files = new Map(
      commands
        .map(({ inputs }) => scriptFile(plain(inputs) as CommandProps))
        .filter((file) => file !== undefined)
        .map(({ path, content }) => [path, content]),
    );
    assert.deepEqual([...files.keys()].sort(), [
      "components/edge/certificate.ts",
      "components/pages/domain.ts",
    ]);
    for (const [path, content] of files)
      assert.doesNotMatch(content ?? "", /(from|import|import\()\s*"\.{1,2}\//, path);
  });

  it("is each type that a stack declares, and no other", () => {
    const declared = new Set(everything.map(({ type }) => type));
    // Neither the stack itself nor the providers that the engine makes by itself are there under mocks.
    const unseen = [...allowedTypes].filter((type) => !type.startsWith("pulumi:") && !declared.has(type));
    assert.deepEqual(unseen, []);
  });
});
