/** /api/diag in openapi.json. */
import { badToken, jsonAnswer, problem, type Operation } from "../platform/operation.ts";
import {
  connectionsQuerySchema,
  connectionsSchema,
  diagSchema,
  summarySchema,
  uptimeSchema,
} from "./schema.ts";

export const DIAG_OPERATIONS: readonly Operation[] = [
  {
    method: "get",
    path: "/api/diag",
    login: "optional",
    ports: ["public"],
    tag: "diagnostics",
    summary: "What runs here, and its state",
    description:
      "Everybody sees the summary; only authorised users see sizes, statements, models and addresses.",
    responses: {
      200: jsonAnswer("The state of this replica, and of what it uses.", diagSchema),
      401: badToken,
    },
  },
  {
    method: "get",
    path: "/api/diag/health-summary",
    login: "optional",
    ports: ["public"],
    tag: "diagnostics",
    summary: "One verdict and its reasons",
    responses: { 200: jsonAnswer("The verdict, good or bad.", summarySchema), 401: badToken },
  },
  {
    method: "get",
    path: "/api/diag/uptime",
    login: "optional",
    ports: ["public"],
    tag: "diagnostics",
    summary: "Uptime of the last 90 days, by day",
    description: "Recorded by the replicas themselves: a minute in which none could write counts as down.",
    responses: { 200: jsonAnswer("The days.", uptimeSchema), 401: badToken },
  },
  {
    method: "get",
    path: "/api/diag/connections",
    login: "optional",
    ports: ["public"],
    tag: "diagnostics",
    summary: "Open event streams",
    description: "Everybody sees how many there are; only authorised users see each of them.",
    query: connectionsQuerySchema,
    responses: {
      200: jsonAnswer("The streams.", connectionsSchema),
      400: problem("A parameter is not valid."),
      401: badToken,
    },
  },
];
