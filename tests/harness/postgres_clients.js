// Reads URLs, one a line, as Mistle's two Postgres clients do, and prints for each what they make of it, as JSON.
const { Client } = require("pg");
const postgres = require("postgres");

function nodePostgres(url) {
  const client = new Client({ connectionString: url });
  const { host, port, user, database, ssl } = client.connectionParameters;
  const { user: _user, database: _database, ...sent } = client.getStartupConf();
  if (typeof ssl === "string" && ssl) throw new Error("ssl is a string, in which it looks for a key");
  const verified = ssl === true || (!!ssl && ssl.rejectUnauthorized !== false);
  if (Number.isNaN(port)) throw new Error("the port is not a number");
  const handshake = { anyName: !!(ssl && ssl.checkServerIdentity), own: !!ssl && typeof ssl === "object" && "cert" in ssl && "key" in ssl, direct: false };
  return { host, port, user, password: client.password, database, tls: [!!ssl, verified, false], handshake, sent };
}

function postgresJs(url) {
  const { host, port, user, pass, database, ssl, sslnegotiation, connection } = postgres(url).options;
  const unverified = ["require", "allow", "prefer"].includes(ssl);
  // connection.js, StartupMessage(): what is empty is not sent; its own default name stands for none.
  const sent = Object.fromEntries(Object.entries(connection).filter(([, value]) => value && value !== "postgres.js"));
  // connection.js, secure(): without a request for TLS there is no reply after which it goes on without.
  const direct = !!ssl && sslnegotiation === "direct";
  return {
    host: host[0], port: port[0], hosts: host, ports: port, user, password: pass, database,
    tls: [!!ssl, !!ssl && !unverified, ssl === "prefer" && !direct],
    handshake: { anyName: false, own: false, direct }, sent,
  };
}

function attempt(read, url) {
  try {
    return read(url);
  } catch (error) {
    return { error: error.message };
  }
}

for (const url of require("fs").readFileSync(0, "utf8").split("\n").filter(Boolean))
  console.log(JSON.stringify([attempt(nodePostgres, url), attempt(postgresJs, url)]));
process.exit(0);
