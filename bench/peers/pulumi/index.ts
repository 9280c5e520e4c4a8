/** Deploys the service alone with the defaults of @pulumi/docker, for `npm run bench:resilience` to compare with. */
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
    // No other replica takes over, so a slow shutdown would only make the outage longer.
    "OMNIAI_SWITCH_SECONDS=0",
    "OMNIAI_DRAIN_SECONDS=0",
    "PGHOST=postgres",
  ],
  healthcheck: { tests: ["CMD", "bash", "service/healthcheck.sh"], interval: "5s", timeout: "3s" },
  wait: true,
});
