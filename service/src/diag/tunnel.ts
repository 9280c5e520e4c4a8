/** Whether the stack is reached from outside: it asks itself by its public name, through DNS, Cloudflare and the tunnel. */
import { z } from "zod";

const DEADLINE_MS = 2500;

export const tunnelDiagSchema = z.strictObject({
  status: z.enum(["pass", "fail", "absent"]).describe("absent: this stack has no tunnel."),
  url: z.string().optional(),
  latencyMs: z.int().optional().describe("There and back, with the handshake."),
  reason: z.string().optional(),
});

export type TunnelDiag = z.output<typeof tunnelDiagSchema>;

/** @param url public, without a path; undefined without a tunnel. */
export async function tunnelDiag(url: string | undefined): Promise<TunnelDiag> {
  if (url === undefined) return { status: "absent" };
  const asked = performance.now();
  try {
    const response = await fetch(`${url}/healthz`, {
      method: "HEAD",
      signal: AbortSignal.timeout(DEADLINE_MS),
      redirect: "error",
    });
    const latencyMs = Math.round(performance.now() - asked);
    if (response.ok) return { status: "pass", url, latencyMs };
    return { status: "fail", url, latencyMs, reason: `it answers ${response.status}` };
  } catch (error) {
    return { status: "fail", url, reason: reasonOf(error) };
  }
}

function reasonOf(error: unknown): string {
  if (error instanceof Error && error.name === "TimeoutError") return `no answer within ${DEADLINE_MS} ms`;
  const { cause } = error as { cause?: { code?: string } };
  return cause?.code ? `it cannot be reached (${cause.code})` : "it cannot be reached";
}
