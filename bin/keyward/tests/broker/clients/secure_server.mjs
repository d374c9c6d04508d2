// Answers over TLS by HTTP/2 or HTTP/1.1, and says by which. Prints its port.
import { readFileSync } from "node:fs";
import http2 from "node:http2";
import https from "node:https";

const pair = { key: readFileSync("key.pem"), cert: readFileSync("certificate.pem") };
const server = process.argv[2] === "h2" ? http2.createSecureServer(pair) : https.createServer(pair);
server.on("request", (request, response) => {
  let body = "";
  request.on("data", (data) => (body += data));
  request.on("end", () => {
    const authorized = /^Bearer sk-real-/.test(request.headers.authorization);
    response.setHeader("content-type", "application/json");
    response.end(JSON.stringify({ version: request.httpVersion, path: request.url, authorized, body }));
  });
});
server.listen(0, "localhost", () => console.log(server.address().port));
