/** Rule container-user. A process that breaks out of its container then has no rights on the host. */
import { containerRule } from "../rule.ts";

export const containerUser = containerRule({
  name: "container-user",
  title: "A container runs as a user that is not root.",
  source: "CIS Docker 4.1",
  remedy: "Set `user` to uid:gid of another user.",

  *check({ props }) {
    const { user } = props;
    if (user === undefined || /^(0*|root)(:|$)/.test(user))
      yield user
        ? `its user is ${JSON.stringify(user)}, which is root.`
        : "it has no user, so it runs as the image says: often root.";
  },
});
