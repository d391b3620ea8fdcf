// Sends one mail to each recipient, as Mistle does, and prints for each what came of it, as JSON.
const nodemailer = require("nodemailer");
const { host, port, secure, username, password, name, sender, recipients } = JSON.parse(require("fs").readFileSync(0, "utf8"));

async function send(to) {
  const transport = nodemailer.createTransport({ host, port, secure, auth: { user: username, pass: password } });
  try {
    const mail = { from: `${name} <${sender}>`, to, subject: "code", text: "123456", html: "<p>123456</p>" };
    const { response } = await transport.sendMail(mail);
    return { response };
  } catch ({ message, code, command, responseCode }) {
    return { error: message, code, command, responseCode };
  }
}

(async () => {
  const results = [];
  for (const recipient of recipients) results.push(await send(recipient));
  console.log(JSON.stringify(results));
  process.exit(0);
})();
