// Reads URLs, or works at their servers, as Mistle's gateway does with node-redis: one command a line, one reply a line.
const { createClient } = require("redis");

const CONNECT_LIMIT = 4000, LIMIT = 20000; // milliseconds until it counts as failed
const SCRIPT = `redis.call('SET', KEYS[1], cjson.encode({a = ARGV[1]}), 'PX', 5000)
return redis.call('DEL', KEYS[1])`;

function read(url) {
  try {
    const { socket, username, password, database } = createClient({ url }).options;
    return {
      host: socket.host, port: socket.port ?? 6379, tls: !!socket.tls,
      username: username ?? "", password: password ?? "", database: database ?? 0,
    };
  } catch (error) {
    return { error: error.message };
  }
}

async function use(client, key) {
  await client.connect();
  await client.set(`${key}:lease`, "x", { PX: 5000 });
  await client.get(`${key}:lease`);
  await client.zAdd(`${key}:index`, { score: 1, value: "x" });
  await client.zCard(`${key}:index`);
  await client.zRem(`${key}:index`, "x");
  await client.zRemRangeByScore(`${key}:index`, "-inf", "+inf");
  await client.eval(SCRIPT, { keys: [`${key}:lease`], arguments: ["x"] });
  await client.del([`${key}:lease`, `${key}:index`]);
  return "";
}

async function work(url, prefix) {
  const client = createClient({ url, socket: { reconnectStrategy: false, connectTimeout: CONNECT_LIMIT } });
  client.on("error", () => {});
  const late = new Promise((resolve) => setTimeout(resolve, LIMIT, `no reply within ${LIMIT} ms`));
  const key = `${prefix}:mistle-preflight:${process.pid}`;
  const failed = (error) => `${error.name}: ${error.message || error.code || error.errors}`;
  return Promise.race([use(client, key).catch(failed), late]);
}

(async () => {
  for (const line of require("fs").readFileSync(0, "utf8").split("\n").filter(Boolean)) {
    const [what, url, prefix] = line.split(" ");
    console.log(JSON.stringify(what === "read" ? read(url) : await work(url, prefix)));
  }
  process.exit(0);
})();
