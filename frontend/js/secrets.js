/**
 * The last net before a text leaves the browser: what looks like a credential is taken out, however it came in.
 * @param {string} text
 * @param {string | undefined} userName
 */
export function withoutSecrets(text, userName) {
  const known = text
    .replace(/\bBearer\s+\S+/gi, "Bearer [removed]")
    .replace(/\beyJ[\w-]+\.[\w-]+\.[\w-]+/g, "[removed]")
    .replace(/([?&](?:ticket|token|key|code|access_token)=)[^&\s]+/gi, "$1[removed]")
    .replace(/\/\/[^/\s:@]+:[^/\s@]+@/g, "//[removed]@");
  return userName ? known.replaceAll(userName, "[user]") : known;
}
