/** The peer of `npm run bench:requests`: an Express app that does nothing else. */
import express from "express";

const app = express();
app.get("/healthz", (_request, response) => {
  response.json({ status: "pass" });
});
app.listen(Number(process.argv[2]), "127.0.0.1");
