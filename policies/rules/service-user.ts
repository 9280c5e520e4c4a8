/** Rule service-user. As rule container-user: a task that breaks out then has no rights on its node. */
import { serviceRule } from "../rule.ts";

export const serviceUser = serviceRule({
  name: "service-user",
  title: "The tasks of a service run as a user that is not root.",
  source: "CIS Docker 4.1",
  remedy: "Set containerSpec.user to uid:gid of another user.",

  *check({ props }) {
    const { user } = props.taskSpec.containerSpec;
    if (user === undefined || /^(0*|root)(:|$)/.test(user))
      yield user
        ? `its user is ${JSON.stringify(user)}, which is root.`
        : "it has no user, so it runs as the image says: often root.";
  },
});
