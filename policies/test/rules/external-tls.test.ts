/** The cases of rule external-tls. */
import { externalTls } from "../../rules/external-tls.ts";
import { command, container, service, testRule } from "../support/cases.ts";

const EXTERNAL = ["PGHOST=db.example.org", "OMNIAI_REDIS_URL=rediss://cache.example.org:6380"];

testRule(externalTls, {
  passes: {
    "the stack's own servers": container({
      envs: ["PGHOST=postgres", "OMNIAI_REDIS_URL=redis://redis:6379"],
    }),
    "others with verified TLS": container({ envs: [...EXTERNAL, "PGSSLMODE=verify-full"] }),
    "a container without servers": container(),
    "a migration with verified TLS": command({
      create: "docker run",
      environment: { PGHOST: "db.example.org", PGSSLMODE: "verify-full" },
    }),
    "a service with verified TLS": service({ env: { PGHOST: "db.example.org", PGSSLMODE: "verify-full" } }),
    "a command without variables": command({ create: "true" }),
  },
  fails: {
    "PostgreSQL without TLS": [container({ envs: EXTERNAL }), /db\.example\.org with PGSSLMODE not set/],
    "TLS that is not checked": [
      container({ envs: [...EXTERNAL, "PGSSLMODE=require"] }),
      /db\.example\.org with PGSSLMODE require/,
    ],
    "no TLS by name": [container({ envs: ["PGHOST=10.0.0.5", "PGSSLMODE=disable"] }), /PGSSLMODE disable/],
    "Redis in the clear": [
      container({ envs: ["OMNIAI_REDIS_URL=redis://cache.example.org:6379"] }),
      /Redis that is not the stack's own without TLS/,
    ],
    "a host that only begins like the stack's own": [
      container({ envs: ["OMNIAI_REDIS_URL=redis://redis.example.org:6379"] }),
      /Redis that is not the stack's own/,
    ],
    "an address in a variable": [
      container({ envs: ["DATABASE=postgres://u@h/d?sslmode=prefer"] }),
      /the variable DATABASE asks for TLS that is not checked/,
    ],
    "Node told to check nothing": [
      container({ envs: ["NODE_TLS_REJECT_UNAUTHORIZED=0"] }),
      /checks no certificate/,
    ],
    "a service without TLS": [service({ env: { PGHOST: "db.example.org" } }), /PGSSLMODE not set/],
    "a migration without TLS": [
      command({ create: "docker run", environment: { PGHOST: "db.example.org" } }),
      /PGSSLMODE not set/,
    ],
  },
});
