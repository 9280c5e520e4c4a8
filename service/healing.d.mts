/** The service's process, as /proc shows it. Times in clock ticks. */
export interface ServiceProcess {
  readonly pid: number;
  readonly start: number;
  readonly cpu: number;
}

/** What a check leaves for the next one. */
export interface CheckState extends ServiceProcess {
  readonly misses: number;
}

export const FROZEN_MISSES: number;
export const DEAF_MISSES: number;
export function findService(proc?: string): ServiceProcess | undefined;
export function judge(
  last: CheckState | undefined,
  service: ServiceProcess | undefined,
  hasAnswered: boolean,
): { next: CheckState | undefined; why: string | undefined };
