/** The cases of rule container-memory. */
import { containerMemory } from "../../rules/container-memory.ts";
import { container, testRule } from "../support/cases.ts";

testRule(containerMemory, {
  passes: {
    "without swap": container(),
  },
  fails: {
    "no limit": [container({ memory: undefined, memorySwap: undefined }), /no memory limit/],
    "with swap": [container({ memorySwap: 400 }), /memorySwap is 400/],
  },
});
