/** A registry that has copies of what Docker Hub has, in its place. */
import { z } from "zod";

/** What takes a first part for a registry's host, by the docker CLI's rules. */
export const isHost = (part: string): boolean => part === "localhost" || /[.:]/.test(part);

export const mirrorKeys = {
  registryMirror: z
    .string()
    .regex(/^$|^[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:\d+)?(\/[a-z0-9][a-z0-9._-]*)*$/)
    .refine((mirror) => mirror === "" || isHost(mirror.split("/")[0] ?? ""))
    .describe(
      "empty, or a registry that mirrors Docker Hub, by its host and where it has one its path, for example mirror.example.org/hub",
    ),
};

/** Pure: the name by which the mirror has an image of Docker Hub; the name of any other registry stays. */
export function throughMirror(mirror: string, name: string): string {
  const hub = name.replace(/^(index\.)?docker\.io\//, "");
  const path = hub.split(/[@:]/)[0] ?? "";
  const [first = "", ...rest] = hub.split("/");
  if (mirror === "" || (rest.length > 0 && isHost(first))) return name;
  return `${mirror}/${path.includes("/") ? "" : "library/"}${hub}`;
}

/** Pure: the name that Docker Hub has for what the mirror's name stands for. */
export const withoutMirror = (mirror: string, name: string): string =>
  mirror !== "" && name.startsWith(`${mirror}/`)
    ? name.slice(mirror.length + 1).replace(/^library\//, "")
    : name;

/** Pure: a config whose images are those of its mirror. A key that is missing because it is wrong stays missing. */
export function mirrored<Config extends Readonly<Record<string, unknown>>>(config: Config): Config {
  const mirror = config["registryMirror"];
  if (typeof mirror !== "string" || mirror === "") return config;
  return Object.fromEntries(
    Object.entries(config).map(([key, value]) => [
      key,
      key.endsWith("Image") && typeof value === "string" ? throughMirror(mirror, value) : value,
    ]),
  ) as Config;
}
