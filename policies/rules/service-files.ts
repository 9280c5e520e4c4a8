/** Rule service-files. Without these, the files of a task belong to root and everybody in its container may read them. */
import { knownFirst, serviceRule } from "../rule.ts";

export const serviceFiles = serviceRule({
  name: "service-files",
  title: "A secret or a config of a service is readable by the one user that needs it, and not root.",
  source: "CIS Docker 4.10; OWASP ASVS 13.3",
  remedy: "Make them with ServiceFiles (infra/resources/service-files.ts).",

  *check({ props }) {
    const { secrets, configs } = props.taskSpec.containerSpec;
    for (const { fileName, fileMode, fileUid } of [...knownFirst(secrets), ...knownFirst(configs)]) {
      if (fileMode === undefined || (fileMode & 0o377) !== 0)
        yield `its file ${fileName} is not for its owner alone.`;
      if (/^0*$/.test(fileUid ?? "")) yield `its file ${fileName} is root's.`;
    }
  },
});
