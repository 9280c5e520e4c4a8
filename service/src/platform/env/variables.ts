/**
 * The kinds of variables that schema.ts is made of. Each schema knows the name of its variable, and what is allowed in
 * words, so that a problem can name both.
 */
import { X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { z } from "zod";

export interface Variable {
  readonly name: string;
  /** What a value may be, as the end of a sentence. */
  readonly allowed: string;
  /** True when somebody may have put a secret into the value, which must not show up in a log then. */
  readonly isHidden?: boolean;
}

/** By schema: the variable that it reads. */
export const variables = z.registry<Variable>();

/** An issue whose message is a whole sentence about the variable, which needs nothing around it but the name. */
export const sentence = (message: string) => ({ message, params: { isSentence: true } });

export const isSentence = (issue: z.core.$ZodIssue): boolean =>
  issue.code === "custom" && issue.params?.isSentence === true;

/** Adds a problem in words of its own. @param message what follows after the variable's name */
export function refuse(context: z.RefinementCtx, message: string, path: string[] = []): void {
  context.addIssue({ code: "custom", path, ...sentence(message) });
}

export const whole = (name: string, fallback: number, min: number, max: number) =>
  z
    .string()
    .regex(/^\d+$/)
    .transform(Number)
    .pipe(z.number().int().min(min).max(max))
    .default(fallback)
    .register(variables, { name, allowed: `a whole number from ${min} to ${max}` });

const decimal = (min: number, max: number) =>
  z
    .string()
    .regex(/^\d+(\.\d+)?$/)
    .transform(Number)
    .pipe(z.number().min(min).max(max));

export const decimalNumber = (name: string, fallback: number, min: number, max: number) =>
  decimal(min, max)
    .default(fallback)
    .register(variables, { name, allowed: `a number from ${min} to ${max}` });

/** A number of seconds, kept as ms. */
export const seconds = (name: string, fallback: number, min: number, max: number) =>
  decimal(min, max)
    .transform((value) => Math.round(value * 1000))
    .default(Math.round(fallback * 1000))
    .register(variables, { name, allowed: `a number from ${min} to ${max}` });

export const text = (name: string, fallback: string, pattern: RegExp, allowed: string) =>
  z.string().regex(pattern).default(fallback).register(variables, { name, allowed });

export const optionalText = (name: string, pattern: RegExp, allowed: string) =>
  z.string().regex(pattern).optional().register(variables, { name, allowed });

export const choice = <const T extends string>(name: string, fallback: T, choices: readonly T[]) =>
  z
    .enum(choices)
    .default(fallback)
    .register(variables, { name, allowed: `one of ${choices.join(", ")}` });

/** Items by commas. */
export const list = (name: string, isValid: (item: string) => boolean, allowed: string) =>
  z
    .string()
    .transform((value): readonly string[] =>
      value
        .split(",")
        .map((item) => item.trim())
        .filter((item) => item !== ""),
    )
    .refine((items) => items.every(isValid))
    .default([])
    .register(variables, { name, allowed });

/** The content of the file that the variable names. */
export const secretFile = (name: string) =>
  z
    .string()
    .transform(readSecret)
    .optional()
    .register(variables, { name, allowed: "a readable file that holds the secret" });

/** The certificates in the file that the variable names, which alone are trusted then. */
export const certificatesFile = (name: string) =>
  z
    .string()
    .transform((path, context) => {
      const text = read(path, context, CERTIFICATES);
      if (text !== z.NEVER && !isCertificate(text))
        refuse(context, `the file ${path} has no certificate in PEM; allowed is ${CERTIFICATES}`);
      return text;
    })
    .optional()
    .register(variables, { name, allowed: CERTIFICATES });

const CERTIFICATES = "a readable file with the certificates of authorities in PEM";

function isCertificate(pem: string): boolean {
  try {
    return new X509Certificate(pem).subject !== undefined;
  } catch {
    return false;
  }
}

/** The file's content without its last line end. Only its path and the system's error code are ever shown. */
export const readSecret = (path: string, context: z.RefinementCtx): string =>
  read(path, context, "a readable file that holds the secret");

function read(path: string, context: z.RefinementCtx, allowed: string): string {
  try {
    const content = readFileSync(path, "utf8").replace(/\r?\n$/, "");
    if (content !== "") return content;
    refuse(context, `the file ${path} is empty; allowed is ${allowed}`);
  } catch (error) {
    const code = error instanceof Error && "code" in error ? String(error.code) : "unreadable";
    refuse(context, `${path} cannot be read (${code}); allowed is ${allowed}`);
  }
  return z.NEVER;
}
