/**
 * Whether alerts get as far as the service. A test goes from the service to the devices, so it says nothing of the way before: from
 * Alertmanager through the gate (infra/components/monitoring/push-gate.ts).
 */

/** unknown: the stack is not watched, so there is no gate. */
export type GateState = "open" | "closed" | "unknown";

/** Less than a device may take. */
const ASK_MS = 2000;

/** Never rejects. @param url where the gate says that it lives; undefined where there is none. */
export async function askGate(url: string | undefined): Promise<GateState> {
  if (url === undefined) return "unknown";
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(ASK_MS), redirect: "error" });
    await response.body?.cancel();
    return response.ok ? "open" : "closed";
  } catch {
    return "closed";
  }
}
