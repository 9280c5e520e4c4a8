/** Shows steps and their progress, on a terminal and elsewhere. */
import { stripVTControlCharacters, styleText } from "node:util";
import type { Reporter } from "./part.ts";

/** What a reporter writes to: a terminal or anything else. */
export interface ReportStream {
  write(text: string): unknown;
  readonly isTTY?: boolean;
  readonly columns?: number;
}

export interface ReporterOptions {
  /** Default: standard error. */
  readonly stream?: ReportStream;
  /** How often a long step shows that it is alive where lines cannot be rewritten, in ms. Default: 15,000. */
  readonly interval?: number;
  /** Where NO_COLOR is read. Default: this process's environment. */
  readonly env?: NodeJS.ProcessEnv;
}

const TERMINAL_INTERVAL = 200;

/** A reporter that rewrites one line on a terminal, and prints whole lines elsewhere. */
export function createReporter(options: ReporterOptions = {}): Reporter {
  const stream = options.stream ?? process.stderr;
  const env = options.env ?? process.env;
  const inPlace = stream.isTTY === true && env.TERM !== "dumb";
  const colours = inPlace && !env.NO_COLOR;
  const paint = (style: "bold" | "dim" | "green" | "red" | "yellow", text: string): string =>
    colours ? styleText(style, text, { validateStream: false }) : text;

  let open: Progress | undefined;
  const line = (text: string): void => {
    open?.clear();
    stream.write(`${text}\n`);
  };

  return {
    say: line,
    warn: (text) => line(`${paint("yellow", "warning:")} ${text}`),
    step: async (title, run) => {
      const started = performance.now();
      const seconds = (): string => `${Math.round((performance.now() - started) / 1000)} s`;
      line(inPlace ? paint("bold", title) : `${title} ...`);
      const outer = open;
      const progress = inPlace
        ? inPlaceProgress(stream, seconds, paint)
        : lineProgress(stream, title, seconds);
      open = progress;
      const timer = setInterval(
        () => progress.show(),
        inPlace ? TERMINAL_INTERVAL : (options.interval ?? 15_000),
      );
      const end = (mark: string): void => {
        clearInterval(timer);
        progress.clear();
        open = outer;
        line(mark);
      };
      try {
        const result = await run((text) => progress.latest(text));
        end(`${paint("green", "done:")} ${title} (${seconds()})`);
        return result;
      } catch (error) {
        end(`${paint("red", "failed:")} ${title} (${seconds()})`);
        throw error;
      }
    },
  };
}

interface Progress {
  /** Remembers the step's latest line of output. */
  latest(text: string): void;
  /** Shows that the step is alive. */
  show(): void;
  /** Clears the line for another text. */
  clear(): void;
}

type Paint = (style: "dim", text: string) => string;

function inPlaceProgress(stream: ReportStream, seconds: () => string, paint: Paint): Progress {
  let text = "";
  return {
    latest: (line) => {
      text = plain(line) || text;
    },
    show: () => {
      const width = Math.max(20, (stream.columns ?? 80) - 1);
      stream.write(`\r\x1b[2K${paint("dim", `  ${seconds()}  ${text}`.slice(0, width))}`);
    },
    clear: () => stream.write("\r\x1b[2K"),
  };
}

function lineProgress(stream: ReportStream, title: string, seconds: () => string): Progress {
  let text = "";
  return {
    latest: (line) => {
      text = plain(line) || text;
    },
    show: () => {
      stream.write(`  ${title}: ${seconds()}${text ? `, ${text}` : ""}\n`);
    },
    clear: () => {},
  };
}

/** The last line of a piece of output, without control characters and colours. */
function plain(text: string): string {
  const last =
    text
      .trimEnd()
      .split(/[\r\n]/)
      .at(-1) ?? "";
  return stripVTControlCharacters(last).replaceAll("\t", " ").trim();
}
