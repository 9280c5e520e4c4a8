/** What is looked at before a stack is changed, and what may be found wrong with its data. */
import type Docker from "dockerode";
import type { State } from "./state.ts";

/** A data volume that the state knows. */
export interface KnownVolume {
  readonly workload: string;
  readonly volume: string;
  /** Undefined in a stack from before volumes had one. */
  readonly identity?: string;
  /** Whether the state has the volume itself, so that the engine had it once. `down` keeps it there. */
  readonly declared: boolean;
  /** Whether the volume had its identity, so that it has to have it still. */
  readonly claimed: boolean;
  /** When the data was begun, ISO 8601, as far as the state says. */
  readonly since?: string;
}

/** What is wrong with the data of a workload. */
export interface Trouble extends KnownVolume {
  readonly kind: "gone" | "emptied" | "other" | "moved";
  /** The identity that the volume has instead. */
  readonly found?: string;
}

export interface Looked {
  readonly docker: Docker;
  /** The engine's address, for messages. */
  readonly dockerHost: string;
  readonly stack: string;
  readonly state: State;
  /** The deploy of the stack that went well last: when it began (ISO 8601), how long it took, and who did it. */
  readonly served?: { readonly time: string; readonly seconds: number; readonly who: string };
  /** Where copies of the backups are off-site (omniai:offsiteBucket); empty without them. */
  readonly offsite?: string;
  /** The workloads whose data others keep by now (externalData). */
  readonly external?: readonly string[];
  /** Puts the stack's images on the engine, where it has none to look into a volume with. */
  readonly bringImages?: () => Promise<void>;
  /** Passes over what this key may not read: the one of the drift check sees that a volume is there, and no file in it. */
  readonly passOver?: boolean;
}
