/** The cases of rule resource-types. */
import { resourceTypes } from "../../rules/resource-types.ts";
import { container, resource, testRule } from "../support/cases.ts";

const of = (type: string) => resource(type, "omniai-prod-x", {});

testRule(resourceTypes, {
  passes: {
    "a container": container(),
    "a service of a swarm": of("docker:index/service:Service"),
    "a component of ours": of("omniai:backend:Backend"),
    "the provider of a known package": of("pulumi:providers:docker"),
    "the stack": of("pulumi:pulumi:Stack"),
  },
  fails: {
    "a plugin of the engine": [of("docker:index/plugin:Plugin"), /type docker:index\/plugin:Plugin/],
    "a provider that is a program": [of("pulumi-nodejs:dynamic:Resource"), /pulumi-nodejs:dynamic:Resource/],
    "a provider that nobody looked at": [of("pulumi:providers:kubernetes"), /pulumi:providers:kubernetes/],
    "a type that only begins like a component": [of("omniai:x:Y$docker"), /omniai:x:Y/],
  },
});
