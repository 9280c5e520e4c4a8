/** Logs as an engine sends them: in frames, those of a service with details before each piece. */

export const frame = (stream: number, text: string): Buffer => {
  const head = Buffer.alloc(8);
  head[0] = stream;
  head.writeUInt32BE(Buffer.byteLength(text), 4);
  return Buffer.concat([head, Buffer.from(text)]);
};

/** What a task of a service has written. */
export const detailed = (task: string, text: string, stream = 1): Buffer =>
  frame(
    stream,
    `com.docker.swarm.node.id=n,com.docker.swarm.service.id=s,com.docker.swarm.task.id=${task} ${text}`,
  );
