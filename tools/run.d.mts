export const NEEDED_NODE: number;
export class BootstrapError extends Error {}
export function wantedStamp(root: string): string;
export function isInstalled(root: string): boolean;
export function outsideNode(root: string, env?: NodeJS.ProcessEnv, execPath?: string): string | undefined;
