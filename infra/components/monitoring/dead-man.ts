/** The sign of life that the monitoring gives to somebody outside, and how soon its end is known there. */
import { SCRAPE_SECONDS } from "./scrape.ts";

export interface Watchdog {
  /** How often it is given. */
  readonly seconds: number;
}

/** Unless config says otherwise (Pulumi.yaml has the same number). */
export const WATCHDOG_SECONDS = 60;

/**
 * How long an alert lives that vmalert no longer confirms, in seconds: four of its looks (getResolveDuration in
 * app/vmalert/rule/group.go). Where vmalert or VictoriaMetrics is gone, Alertmanager gives the sign for so much longer.
 */
const UNCONFIRMED_SECONDS = 4 * SCRAPE_SECONDS;

/** What a service outside is told to expect, in seconds. */
export interface Expectation {
  readonly period: number;
  /** How much later than that a sign may come. */
  readonly grace: number;
}

/** Pure: how long after the death of any part of the monitoring the service outside knows it at the latest, in seconds. */
export const knownWithin = (seconds: number, { period, grace }: Expectation): number =>
  UNCONFIRMED_SECONDS + seconds + period + grace;

/**
 * Pure: the times of Alertmanager's route. It looks twice in each period and sends at every second look: with equal times it
 * would be every other period.
 */
export const watchdogTimes = (
  seconds: number,
): { readonly group_interval: string; readonly repeat_interval: string } => ({
  group_interval: `${seconds * 500}ms`,
  repeat_interval: `${Math.floor((seconds * 2500) / 3)}ms`,
});
