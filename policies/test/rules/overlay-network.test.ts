/** The cases of rule overlay-network. */
import { overlayNetwork } from "../../rules/overlay-network.ts";
import { NETWORK } from "../../rule.ts";
import { network, resource, testRule } from "../support/cases.ts";

const overlay = (props: object) =>
  resource(NETWORK, "omniai-prod-app", {
    driver: "overlay",
    attachable: false,
    options: { encrypted: "true" },
    ...props,
  });

testRule(overlayNetwork, {
  passes: {
    encrypted: overlay({}),
    "a bridge": network("omniai-prod-app", false),
  },
  fails: {
    "in the clear": [overlay({ options: undefined }), /not encrypted/],
    "open for any container": [overlay({ attachable: undefined }), /any container of a node/],
  },
});
