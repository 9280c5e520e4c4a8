/** Rule container-no-new-privileges. A setuid program in the image would give back what `user` takes away. */
import { containerRule, knownFirst } from "../rule.ts";

export const containerNoNewPrivileges = containerRule({
  name: "container-no-new-privileges",
  title: "No process of a container can gain privileges.",
  source: "CIS Docker 5.26",
  remedy: "Put no-new-privileges:true into `securityOpts`.",

  *check({ props }) {
    const options = [...knownFirst(props.securityOpts)];
    if (!options.some((option) => /^no-new-privileges([=:]true)?$/.test(option)))
      yield "securityOpts lacks no-new-privileges.";
  },
});
