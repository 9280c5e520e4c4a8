#!/usr/bin/env node
/**
 * The policy pack as a program: `pulumi preview --policy-pack "$PWD/policies/main.ts"` starts it. A pack that is a program
 * needs no language host; the CLI starts one since 3.259 (docs/decisions/0021-policies.md).
 */
import { RULES } from "./pack.ts";
import { servePack } from "./serve.ts";

servePack(RULES);
