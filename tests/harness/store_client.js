// Mistle's client of object stores: for each line, a configuration as JSON, it performs the operations on an object,
// and prints the first failure, or that there is none, as JSON.
const { S3Client, PutObjectCommand, HeadObjectCommand, GetObjectCommand, DeleteObjectCommand } = require("@aws-sdk/client-s3");

const BODY = "mistle-preflight";
const COMMANDS = {
  PutObject: (target) => new PutObjectCommand({ ...target, Body: Buffer.from(BODY) }),
  HeadObject: (target) => new HeadObjectCommand(target),
  GetObject: (target) => new GetObjectCommand(target),
  DeleteObject: (target) => new DeleteObjectCommand(target),
};

async function outcome({ endpoint, region, bucket, pathStyle, keyId, secret, key, operations }) {
  const credentials = { accessKeyId: keyId, secretAccessKey: secret };
  const client = new S3Client({ endpoint, region, credentials, forcePathStyle: pathStyle, maxAttempts: 1 });
  for (const operation of operations)
    try {
      const reply = await client.send(COMMANDS[operation]({ Bucket: bucket, Key: key }));
      if (operation === "GetObject" && (await reply.Body.transformToString()) !== BODY) throw new Error("another body");
    } catch (error) {
      return { operation, code: error.Code ?? error.name, status: error.$metadata?.httpStatusCode ?? 0, message: error.message };
    }
  return { operation: "", code: "", status: 0, message: "" };
}

(async () => {
  for await (const line of require("readline").createInterface({ input: process.stdin }))
    console.log(JSON.stringify(await outcome(JSON.parse(line))));
  process.exit(0);
})();
