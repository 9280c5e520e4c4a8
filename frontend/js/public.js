/** The public view: the uptime of the last 90 days, by day, as the service itself has recorded it. */
import { at, element, write } from "./dom.js";
import { ApiError } from "./transport/api.js";
import { isFinalRefusal } from "./transport/attempts.js";

const DAYS = 90;
const date = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeZone: "UTC" });
const percent = new Intl.NumberFormat(undefined, { style: "percent", maximumFractionDigits: 2 });

/** @typedef {{ day: string, minutes: number, upMinutes: number, wellMinutes: number }} Day */

/** Whether this visit asks for it: boot.js has looked before the page was painted. */
export const isPublic = () => document.documentElement.dataset["view"] === "public";

/** Shows the page itself in its place. */
export function leavePublic() {
  delete document.documentElement.dataset["view"];
  at("to-public").hidden = true;
}

/**
 * @param {import("./transport/api.js").Api} api
 * @returns {Promise<boolean>} whether it need not be asked again: the record is there, or this service has none
 */
export async function showPublic(api) {
  try {
    const { known, days } = await api.get("/api/diag/uptime", { expected: [404] });
    if (known) showDays(days);
    else write("uptime-note", "The record cannot be read at the moment.");
    return known;
  } catch (error) {
    const isNone = error instanceof ApiError && error.status === 404;
    const reason = error instanceof ApiError ? error.message : "the service does not answer.";
    write("uptime-note", isNone ? "This service keeps no record." : `The record cannot be read: ${reason}`);
    return isFinalRefusal(error);
  }
}

/** @param {readonly Day[]} days the oldest first. */
function showDays(days) {
  const missing = Array.from({ length: Math.max(0, DAYS - days.length) }, () => undefined);
  at("days").replaceChildren(...[...missing, ...days.slice(-DAYS)].map(bar));
  const sum = (/** @type {"minutes" | "upMinutes"} */ name) => days.reduce((all, day) => all + day[name], 0);
  const [minutes, up] = [sum("minutes"), sum("upMinutes")];
  write("uptime", minutes === 0 ? "" : `${percent.format(floored(up / minutes))} up`);
  const since = days[0]
    ? `The record begins on ${date.format(Date.parse(days[0].day))}.`
    : "There is no record yet.";
  write("uptime-note", `${since} A minute counts as up when a replica took requests in it.`);
}

/** @param {Day | undefined} day */
function bar(day) {
  const share = day && day.minutes > 0 ? day.upMinutes / day.minutes : undefined;
  const item = element("li", undefined, {
    "data-status": day && share !== undefined ? statusOf(day, share) : "unknown",
  });
  const text =
    day && share !== undefined
      ? `${date.format(Date.parse(day.day))}: ${percent.format(floored(share))} up`
      : "no record";
  item.title = text;
  item.append(element("span", text));
  return item;
}

/** Never rounded up: a day with an outage was not a full one. @param {number} share */
const floored = (share) => Math.floor(share * 10_000) / 10_000;

/**
 * @param {Day} day
 * @param {number} share
 */
function statusOf({ wellMinutes, upMinutes }, share) {
  if (share < 0.99) return "fail";
  return share < 1 || wellMinutes < upMinutes ? "warn" : "pass";
}
