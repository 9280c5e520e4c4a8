/** docs/policies.md, from the rules themselves. `npm run policy:docs` writes it; a test compares. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { RULES } from "./pack.ts";
import type { Rule } from "./rule.ts";

export const DOCUMENT = join(import.meta.dirname, "..", "docs", "policies.md");

const line = ({ name, title, source, remedy, environments }: Rule): string =>
  `- **${name}**: ${title} ${remedy} _${source}${environments ? `; ${environments.join(" and ")} only` : ""}_`;

/** Pure: the whole document. */
export function renderDocument(all: readonly Rule[]): string {
  const of = (kind: Rule["kind"]): string =>
    all
      .filter((rule) => rule.kind === kind)
      .map(line)
      .join("\n");
  return `# Policies

The rules that every stack must hold to. They are checked on each \`npm run preview\`, \`up\`, \`restart\` and \`rollback\`; \`npm run policy\` checks every
stack that has a file, and deploys nothing. With a Pulumi CLI of your own, the pack is named by
its whole path: \`pulumi preview --policy-pack "$PWD/policies/main.ts"\`.

**How strict.** \`omniai:environment\` decides: in \`dev\` a violation is shown, in \`staging\` and \`prod\` it stops the run,
before anything is touched, with exit code 4. Empty means the stack's own name where that is one of the three, else
\`dev\`. A stack named \`staging\` or \`prod\` cannot say less than its name.

**Exceptions** are in the stack's config. Each has a reason, a last day within a year, and the name of a resource (a
trailing \`*\` stands for any rest, but an exception for all resources is refused). Every run shows them. After the last
day the rule holds again:

\`\`\`yaml
omniai:policyExceptions:
  - rule: container-user
    resource: omniai-prod-x
    reason: The image drops root by itself, and needs it to bind its port
    until: 2027-01-31
\`\`\`

**Values that are not known in a preview** are neither violation nor pass: the run lists the checks that wait, and the
update makes them before it creates the resource. Rules about the whole stack are checked at the end of a preview and of an update.

**Policies cannot see** \`retainOnDelete\` and the pids limit of a running container; the tests of a whole stack read them
from the state and the engine.

**Two lists.** A type that no rule is written for, and a script that nobody has looked at, are violations
([decision 35](decisions/0035-policy-lists.md)). After a change of a script that a command runs, run
\`UPDATE_SNAPSHOTS=1 npm test -- policies\`, which writes \`policies/known-scripts.json\`, and commit both.
\`.github/CODEOWNERS\` names who has to look at \`policies/\` and at the files in which exceptions stand.

To add a rule, write a file in \`policies/rules/\` and a test beside the others, add the rule to \`policies/pack.ts\`, and run
\`npm run policy:docs\`, which writes this page.

## For each resource

${of("resource")}

## For the whole stack

${of("stack")}
`;
}

if (process.argv[1] === import.meta.filename) writeFileSync(DOCUMENT, renderDocument(RULES));
