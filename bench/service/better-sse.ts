/** The peer better-sse on Express, set up as its documentation shows, with the same publish route as the others. */
import { createChannel, createSession } from "better-sse";
import express from "express";

const app = express();
const channel = createChannel();
app.get("/", (_request, response) => void response.send("ok"));
app.get("/events", async (request, response) => {
  channel.register(await createSession(request, response));
});
app.post("/events", express.json(), (request, response) => {
  channel.broadcast(request.body, "load");
  response.status(201).json({});
});
const server = app.listen({ port: 21_203, host: "127.0.0.1", backlog: 4096 });
server.timeout = 0;
