/**
 * What the docker CLI and the docker provider start in place of `ssh … docker system dial-stdio`: it passes its input and
 * output to the socket that leads to the engine through the command's one SSH connection.
 * Plain JavaScript without packages, because it is started for every connection.
 */
// @ts-check
import { connect } from "node:net";

const [path = "", host = ""] = process.argv.slice(2);
const socket = connect({ path, allowHalfOpen: true });
socket.on("error", (error) => {
  console.error(`The SSH connection to ${host} is gone (${error.message}).`);
  process.exit(255);
});
// Its reader may go away first.
process.stdout.on("error", () => process.exit(0));
process.stdin.on("error", () => socket.end());
process.stdin.pipe(socket);
socket.pipe(process.stdout);
// Nobody waits for more input then, and the process ends when its output is written.
socket.on("close", () => process.stdin.destroy());
