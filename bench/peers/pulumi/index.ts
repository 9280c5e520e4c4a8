/** The service alone, as @pulumi/docker deploys it with its defaults: what `npm run bench:resilience` compares with. */
import * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";

const config = new pulumi.Config();

new docker.Container("service", {
  image: config.require("image"),
  restart: "unless-stopped",
  init: true,
  ports: [{ internal: 8000, external: config.requireNumber("port"), ip: "127.0.0.1" }],
  networksAdvanced: [{ name: config.require("network"), aliases: ["service"] }],
  envs: [
    "OMNIAI_HOST=0.0.0.0",
    `OMNIAI_BUILD=${config.require("build")}`,
    "OMNIAI_CLIENT_REPORTS_PER_MINUTE=60000",
    "OMNIAI_REDIS_URL=redis://redis:6379",
    // Nobody takes over meanwhile: serving on and a long farewell would only make its absence longer.
    "OMNIAI_SWITCH_SECONDS=0",
    "OMNIAI_DRAIN_SECONDS=0",
    "PGHOST=postgres",
  ],
  healthcheck: { tests: ["CMD", "bash", "service/healthcheck.sh"], interval: "5s", timeout: "3s" },
  wait: true,
});
