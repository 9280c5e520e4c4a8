/**
 * Rule container-memory. Without a limit, one process could take the memory of all others; with swap on top it would
 * take the disk as well.
 */
import { containerRule } from "../rule.ts";

export const containerMemory = containerRule({
  name: "container-memory",
  title: "A container has a memory limit and no swap on top.",
  source: "CIS Docker 5.11",
  remedy: "Set `memory` in MiB, and `memorySwap` to the same.",

  *check({ props }) {
    const { memory, memorySwap } = props;
    if (memory === undefined || memory <= 0) yield "it has no memory limit.";
    else if (memorySwap !== memory)
      yield `its memorySwap is ${memorySwap ?? "unset"} and its memory ${memory}: the rest is swap.`;
  },
});
