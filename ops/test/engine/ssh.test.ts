/** The parts of the way to an engine behind SSH; a real sshd is in test/e2e/remote.test.ts. */
import { strict as assert } from "node:assert";
import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect, createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { refusal, tempFolder } from "../../engine/ssh/tunnel.ts";
import { writeSshProgram } from "../../engine/ssh/program.ts";
import { SessionSocket, type Carrier } from "../../engine/ssh/sessions.ts";

describe("the ssh of a command's children", () => {
  let folder: string;
  let server: Server;
  const address = { host: "host.example", user: "deploy", port: "2222" };
  before(async () => {
    folder = mkdtempSync(join(tmpdir(), "omniai-ssh-test-"));
    const real = join(folder, "real-ssh");
    writeFileSync(real, `#!/bin/sh\nprintf '<%s>' "$@"\n`, { mode: 0o755 });
    // Answers when it has heard all, so an input whose end does not arrive is noticed.
    server = createServer({ allowHalfOpen: true }, (socket) => {
      let heard = "";
      socket.setEncoding("utf8").on("data", (text: string) => (heard += text));
      socket.on("end", () => socket.end(`heard ${heard}`));
    });
    await new Promise<void>((resolve) => server.listen(join(folder, "engine.sock"), resolve));
    writeSshProgram(folder, {
      address,
      ssh: real,
      socket: join(folder, "engine.sock"),
      share: ["-F", "none"],
    });
  });
  after(() => {
    server.close();
    rmSync(folder, { recursive: true, force: true });
  });

  const ssh = (args: readonly string[], input = ""): Promise<string> =>
    new Promise((resolve, reject) => {
      const PATH = [folder, process.env["PATH"]].join(delimiter);
      const child = spawn("ssh", [...args], {
        env: { ...process.env, PATH },
        stdio: ["pipe", "pipe", "inherit"],
      });
      let output = "";
      child.stdout.setEncoding("utf8").on("data", (text: string) => (output += text));
      child.on("error", reject);
      child.on("close", () => resolve(output));
      // Whoever needs no input may have ended before it comes.
      child.stdin.on("error", () => undefined).end(input);
    });

  const DIAL = ["docker", "system", "dial-stdio"];
  for (const [who, args] of Object.entries({
    "docker 20": ["-l", "deploy", "-p", "2222", "--", "host.example", ...DIAL],
    "docker 28": [
      "-o",
      "ConnectTimeout=30",
      "-T",
      "-l",
      "deploy",
      "-p",
      "2222",
      "--",
      "host.example",
      ...DIAL,
    ],
    "docker 29": [
      "-l",
      "deploy",
      "-p",
      "2222",
      "-o ConnectTimeout=30",
      "-T",
      "--",
      "host.example",
      DIAL.join(" "),
    ],
  })) {
    it(`leads to the engine, as ${who} calls it`, async () => {
      assert.equal(await ssh(args, "ping"), "heard ping");
    });
  }

  it("takes other commands for the host through the same connection", async () => {
    const args = ["-l", "deploy", "-p", "2222", "--", "host.example", "df -P"];
    assert.equal(await ssh(args), ["-F", "none", ...args].map((word) => `<${word}>`).join(""));
  });

  it("leaves every other host, user and port to the real one", async () => {
    for (const args of [
      ["-l", "deploy", "-p", "2222", "--", "other.example", ...DIAL],
      ["-l", "root", "-p", "2222", "--", "host.example", ...DIAL],
      ["-l", "deploy", "--", "host.example", ...DIAL],
      ["git@github.com", "git-upload-pack 'a b'"],
    ])
      assert.equal(await ssh(args), args.map((word) => `<${word}>`).join(""));
  });

  it("says that the connection is gone", () => {
    const gone = join(folder, "gone");
    spawnSync("mkdir", [gone]);
    writeSshProgram(gone, { address, ssh: "/bin/false", socket: join(folder, "none.sock"), share: [] });
    const { status, stderr } = spawnSync(
      join(gone, "ssh"),
      ["-l", "deploy", "-p", "2222", "--", "host.example", ...DIAL],
      { encoding: "utf8" },
    );
    assert.equal(status, 255);
    assert.match(stderr, /SSH connection to host\.example is gone/);
  });
});

describe("sessions on a host that forwards nothing", () => {
  let folder: string;
  let opened: FakeCarrier[];
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "omniai-ssh-test-"));
    opened = [];
  });
  afterEach(() => {
    servers.splice(0).forEach((server) => server.close());
    rmSync(folder, { recursive: true, force: true });
  });
  const servers: SessionSocket[] = [];

  class FakeCarrier implements Carrier {
    isOpen = true;
    running = 0;
    most = 0;
    readonly command: readonly string[];
    constructor(command: readonly string[] = ["cat"]) {
      this.command = command;
    }
    session(): ChildProcess {
      this.most = Math.max(this.most, ++this.running);
      const [program = "", ...args] = this.command;
      return spawn(program, args, { stdio: "pipe" }).on("close", () => this.running--);
    }
    close(): void {
      this.isOpen = false;
    }
  }

  async function listen(open: () => Promise<Carrier>, sessions = 2): Promise<SessionSocket> {
    const first = new FakeCarrier();
    opened.push(first);
    const socket = new SessionSocket([first], open, "dial", { connections: 2, sessions });
    servers.push(socket);
    await socket.listen(join(folder, "s.sock"));
    return socket;
  }
  const openFake = (): Promise<Carrier> => {
    const carrier = new FakeCarrier();
    opened.push(carrier);
    return Promise.resolve(carrier);
  };
  const dial = (): Promise<Socket> =>
    new Promise((resolve, reject) => {
      const socket = connect({ path: join(folder, "s.sock"), allowHalfOpen: true }, () => resolve(socket));
      socket.on("error", reject);
    });
  const echo = (socket: Socket, text: string): Promise<string> =>
    new Promise((resolve) => {
      socket.once("data", (data) => resolve(data.toString()));
      socket.write(text);
    });
  const finish = (socket: Socket): Promise<void> =>
    new Promise((resolve) =>
      socket
        .on("close", () => resolve())
        .resume()
        .end(),
    );

  it("fill one connection, then another, and then wait for one that ends", async () => {
    const server = await listen(openFake);
    const sockets = await Promise.all([1, 2, 3, 4, 5].map(dial));
    assert.deepEqual(await Promise.all(sockets.slice(0, 4).map((socket, n) => echo(socket, `hello ${n}`))), [
      "hello 0",
      "hello 1",
      "hello 2",
      "hello 3",
    ]);
    const [, , , , last] = sockets;
    assert.ok(last);
    const late = echo(last, "late");
    assert.equal(
      await Promise.race([late, new Promise((resolve) => setTimeout(resolve, 100, "waits"))]),
      "waits",
    );
    await finish(sockets[0] as Socket);
    assert.equal(await late, "late");
    assert.deepEqual(
      opened.map(({ most }) => most),
      [2, 2],
    );
    await Promise.all(sockets.slice(1).map(finish));
    server.close();
    assert.ok(opened.every(({ isOpen }) => !isOpen));
  });

  it("go on over a new connection when one is lost", async () => {
    await listen(openFake);
    (opened[0] as FakeCarrier).isOpen = false;
    const socket = await dial();
    assert.equal(await echo(socket, "hello"), "hello");
    assert.equal(opened.length, 2);
    await finish(socket);
  });

  it("end at once, and say why, when there is no connection", async () => {
    const server = await listen(() => Promise.reject(new Error("no route to host")));
    (opened[0] as FakeCarrier).isOpen = false;
    await finish(await dial());
    assert.equal(server.complaint, "no route to host");
  });

  it("keep what the host says about a command that fails", async () => {
    const failing = new FakeCarrier(["sh", "-c", "echo permission denied >&2; exit 1"]);
    const server = new SessionSocket([failing], openFake, "dial");
    servers.push(server);
    await server.listen(join(folder, "f.sock"));
    await new Promise<void>((resolve) => {
      connect({ path: join(folder, "f.sock") })
        .on("close", () => resolve())
        .resume();
    });
    assert.equal(server.complaint, "permission denied");
  });
});

describe("the folder of the sockets", () => {
  it("is a shorter one where their paths would be too long, but on Windows, which has no /tmp", () => {
    const long = `/var/folders/${"x".repeat(60)}`;
    assert.equal(tempFolder(long, "darwin"), "/tmp");
    assert.equal(tempFolder("/var/tmp", "linux"), "/var/tmp");
    const windows = `C:\\Users\\${"x".repeat(60)}\\AppData\\Local\\Temp`;
    assert.equal(tempFolder(windows, "win32"), windows);
  });
});

describe("a host that does not let us in", () => {
  const login = { address: { host: "host.example" } };
  const say = (said: string, more: object = {}): string => {
    const { message, remedy } = refusal({ ...login, ...more }, said);
    return `${message} ${remedy}`;
  };

  it("is told by what is wrong, with what to do", () => {
    assert.match(
      say("Host key verification failed."),
      /does not know the key of host\.example.*ssh host\.example/s,
    );
    assert.match(
      say("Host key verification failed.", { hostKey: "ssh-ed25519 AAAA" }),
      /not have the key that omniai:hostKey names\. Nothing was sent/,
    );
    assert.match(say("deploy@host.example: Permission denied (publickey)."), /ssh-add/);
    assert.match(
      say("Permission denied (publickey).", { privateKey: "x" }),
      /hostPrivateKey is not in authorized_keys/,
    );
    assert.match(
      say("ssh: Could not resolve hostname host.example"),
      /no SSH connection.*Could not resolve/s,
    );
    assert.match(say(""), /gave no reason/);
  });
});
