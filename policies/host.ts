#!/usr/bin/env node
/**
 * The rules for `npm run host`, as a program like main.ts. It runs the steps on the host and nothing else, so the rest of the
 * stack is not judged: a rule about the whole would find fault with what is left out, and the stack may not be ready yet.
 */
import { HOST_RULES } from "./pack.ts";
import { servePack } from "./serve.ts";

servePack(HOST_RULES);
