/** Rule service-capabilities. None of our processes needs a Linux capability; one that does has to say which. */
import { knownFirst, serviceRule } from "../rule.ts";

export const serviceCapabilities = serviceRule({
  name: "service-capabilities",
  title: "The tasks of a service have no Linux capabilities, and their SELinux label stays.",
  source: "CIS Docker 5.3, 5.4",
  remedy: 'Drop "ALL" in containerSpec.capDrops and add none; leave privileges.seLinuxContext.disable out.',

  *check({ props }) {
    const { capDrops, capAdds, privileges } = props.taskSpec.containerSpec;
    if (![...knownFirst(capDrops)].includes("ALL")) yield 'its capDrops lacks "ALL".';
    for (const added of knownFirst(capAdds)) yield `it adds the capability ${added}.`;
    if (privileges?.seLinuxContext?.disable === true) yield "it has no SELinux label.";
  },
});
