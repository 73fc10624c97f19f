// Asks a Guosuo checkpoint on this machine (`guosuo checkpoint serve`) to verify a code.
//
//   node verify.js 127.0.0.1:8440 GS1:...           the text of a scanned QR code
//   node verify.js unix:/run/guosuo/gate.sock FILE   a file with that text
//   node verify.js 127.0.0.1:8440 --status           poster, and until when it works offline
//
// Prints one JSON document. Exit codes as of `guosuo checkpoint verify`: 0 for ACCEPT, 1 for
// NOT_SATISFIED, 4 for CANNOT_DECIDE, and 2 if the checkpoint gives no answer.
//
// GUOSUO_PROTO names the folder `proto` if it is not two levels above.
"use strict";

const fs = require("node:fs");
const path = require("node:path");
const grpc = require("@grpc/grpc-js");
const loader = require("@grpc/proto-loader");

const DEADLINE_MS = 5000;
const MAX_CODE = 4296;
const EXIT_CODES = { VERDICT_ACCEPT: 0, VERDICT_NOT_SATISFIED: 1, VERDICT_CANNOT_DECIDE: 4 };
const NO_ANSWER = 2;

function connect(address) {
  const folder = process.env.GUOSUO_PROTO || path.join(__dirname, "..", "..", "proto");
  const definition = loader.loadSync("guosuo/v1/verify.proto", {
    includeDirs: [folder],
    keepCase: true,
    enums: String,
    longs: Number,
    defaults: true,
  });
  const { Verify } = grpc.loadPackageDefinition(definition).guosuo.v1;
  // The checkpoint answers on this machine only; there is nothing to encrypt.
  return new Verify(address, grpc.credentials.createInsecure());
}

function call(client, method, request) {
  return new Promise((resolve, reject) => {
    const deadline = new Date(Date.now() + DEADLINE_MS);
    client[method](request, { deadline }, (error, answer) =>
      error ? reject(error) : resolve(answer),
    );
  });
}

function read(argument) {
  const text = fs.existsSync(argument) ? fs.readFileSync(argument, "utf8") : argument;
  return text.trim().slice(0, MAX_CODE + 1);
}

/** "VERDICT_ACCEPT" as "ACCEPT"; the value that stands for nothing as null. */
function word(value, prefix) {
  const short = value.slice(prefix.length + 1);
  return short === "UNSPECIFIED" ? null : short;
}

async function main([address, argument]) {
  if (!address || !argument) {
    console.error("usage: node verify.js ADDRESS CODE|FILE|--status");
    return NO_ANSWER;
  }
  const client = connect(address);
  try {
    if (argument === "--status") {
      const poster = await call(client, "GetPoster", {});
      const status = await call(client, "GetStatus", {});
      console.log(JSON.stringify({ poster: poster.text, ...status }));
      return 0;
    }
    const answer = await call(client, "Verify", { code: read(argument) });
    console.log(
      JSON.stringify({
        verdict: word(answer.verdict, "VERDICT"),
        cause: word(answer.cause, "CAUSE"),
        notice: word(answer.notice, "NOTICE"),
      }),
    );
    return EXIT_CODES[answer.verdict] ?? NO_ANSWER;
  } catch (error) {
    console.error(`the checkpoint gave no answer: ${error.details || error.message}`);
    return NO_ANSWER;
  } finally {
    client.close();
  }
}

main(process.argv.slice(2)).then((code) => {
  process.exitCode = code;
});
