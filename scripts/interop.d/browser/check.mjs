// Whether a real browser gets along with examples/websocket.rs: `check.mjs <url> [<screenshot.png>]`.

import { launch } from "./launch.mjs";

const [url, screenshot] = process.argv.slice(2);
const live = `${url.replace(/^http/, "ws")}/live`;

const browser = await launch();
try {
  const page = await browser.newPage({ viewport: { width: 800, height: 500 } });
  const errors = [];
  page.on("pageerror", (error) => errors.push(error));
  await page.goto(url);
  await page.getByText('open, protocol "bearer"').waitFor({ timeout: 10_000 });
  await page.getByText("alice: hello").waitFor({ timeout: 10_000 });

  await page.getByRole("textbox").fill("again");
  await page.getByRole("button").click();
  await page.getByText("alice: again").waitFor({ timeout: 10_000 });

  await refuses(page, "without a token", undefined);
  await refuses(page, "with a broken token", ["bearer", "broken"]);

  // The token is good for ten seconds.
  await page.getByText("closed: 1008 the token has expired").waitFor({ timeout: 20_000 });
  if (errors.length > 0) throw errors[0];
  if (screenshot) await page.screenshot({ path: screenshot });
} finally {
  await browser.close();
}

async function refuses(page, how, protocols) {
  const answer = await page.evaluate(
    ({ live, protocols }) =>
      new Promise((resolve) => {
        const socket = new WebSocket(live, protocols);
        socket.onopen = () => resolve("open");
        socket.onclose = ({ code }) => resolve(`closed ${code}`);
      }),
    { live, protocols },
  );
  // 1006: the handshake was refused, which is all that a page may know.
  if (answer !== "closed 1006") throw new Error(`a socket ${how}: ${answer}`);
}
