/** A program that only prepares one host, as a stack with omniai:hostAddress does. */
import * as pulumi from "@pulumi/pulumi";
import { Host } from "../../../../infra/components/host/host.ts";

const config = new pulumi.Config();
new Host({
  address: config.require("address"),
  sshPort: config.requireNumber("port"),
  user: "deploy",
  hostKey: config.require("hostKey"),
  privateKey: config.requireSecret("privateKey"),
  openPorts: [443],
});
