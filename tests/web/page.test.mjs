// The page, used as a person would: one server and one browser for all tests.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtempSync } from "node:fs";
import { createRequire } from "node:module";
import os from "node:os";
import path from "node:path";
import { after, before, test } from "node:test";

const { chromium } = createRequire(process.env.XOE_TEST_NODE_PATH + "/")("playwright-core");
const models = process.env.XOE_MODELS_DIR ?? path.join(process.env.XDG_DATA_HOME ?? path.join(os.homedir(), ".local/share"), "xoe/models");
const shots = process.env.XOE_SHOTS; // a folder: keep pictures

const human = "When the ferry left the harbour that morning nobody on deck expected the fog to stay. My grandmother had packed bread, two apples and a flask of coffee that tasted of tin; she said the crossing took four hours in good weather and a day in bad. I counted gulls until I lost count, then lamps on the shore until those went too. A man with a violin case asked whether the seat beside us was free, sat down, and never opened the case.";

function serve(...flags) {
  const data = mkdtempSync(path.join(os.tmpdir(), "xoe-page-"));
  const child = spawn(process.env.XOE_BIN ?? "build/xoe", ["serve", "--port", "0", "--data", data, "--models-dir", models, "--model", "smollm2-135m-instruct", ...flags], { stdio: ["ignore", "pipe", "ignore"] });
  return new Promise((resolve, reject) => {
    child.stdout.on("data", (d) => {
      const url = String(d).match(/http:\/\/[^/\s]+\//)?.[0];
      if (url) resolve({ child, url });
    });
    child.on("exit", (code) => reject(new Error(`xoe serve ended with ${code}`)));
  });
}

let server, browser;
const problems = [];

before(async () => {
  server = await serve();
  browser = await chromium.launch({ executablePath: process.env.XOE_CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"] });
});
after(async () => {
  await browser?.close();
  server?.child.kill();
});

async function open(options = {}, url = server.url, maxTokens = 40) {
  const context = await browser.newContext({ viewport: { width: 1180, height: 760 }, ...options });
  const page = await context.newPage();
  await page.addInitScript((n) => localStorage.setItem("xoe-settings", JSON.stringify({ max_tokens: n, ...JSON.parse(localStorage.getItem("xoe-settings") ?? "{}") })), maxTokens);
  page.on("console", (m) => m.type() === "error" && !/401/.test(m.text()) && problems.push(m.text()));
  page.on("pageerror", (e) => problems.push(String(e)));
  page.on("request", (r) => !r.url().startsWith(url) && !r.url().startsWith("data:") && problems.push(`left the origin: ${r.url()}`));
  await page.goto(url);
  await page.waitForFunction(() => document.getElementById("model").options.length > 0 || !document.getElementById("banner").hidden);
  return page;
}

const shot = async (page, name) => shots && page.screenshot({ path: path.join(shots, name + ".png") });

async function ask(page, text) {
  await page.fill("#prompt", text);
  await page.press("#prompt", "Enter");
  await page.waitForFunction(() => document.getElementById("stop").hidden && document.querySelector(".msg.assistant .under"), null, { timeout: 90000 });
}

test("an answer streams in, carries its badge, and the check finds the mark", async () => {
  const page = await open({}, server.url, 200);
  await shot(page, "empty");
  await page.fill("#prompt", "Write a long story about a lighthouse keeper and the sea.");
  await page.press("#prompt", "Enter");
  await page.waitForSelector(".msg.assistant .text.cursor");
  await page.waitForFunction(() => document.querySelector(".msg.assistant .text").textContent.length > 20);
  await page.waitForSelector(".msg.assistant .under", { timeout: 120000 });
  assert.match(await page.textContent(".badge"), /Marked.*sure/);
  await shot(page, "chat");
  await page.emulateMedia({ colorScheme: "dark" });
  await shot(page, "chat-dark");
  await page.click(".msg.assistant .under >> text=Check");
  await page.waitForSelector(".result");
  assert.match(await page.textContent(".result h2"), /carries a mark/);
  assert.ok((await page.locator(".heat span").count()) > 50);
  assert.ok((await page.locator(".heat .h3, .heat .h4").count()) > 5);
  await page.locator(".result").evaluate((e) => e.scrollIntoView());
  await shot(page, "check-dark");
  await page.emulateMedia({ colorScheme: "light" });
  await shot(page, "check");
  await page.context().close();
});

test("human text is not called marked, a short one is not judged", async () => {
  const page = await open();
  await page.click("#tab-check");
  await page.fill("#check-text", human);
  await page.click("#check-go");
  await page.waitForSelector(".result.not_marked");
  await page.fill("#check-text", "Hello there.");
  await page.click("#check-go");
  await page.waitForSelector(".result.cannot_carry");
  await page.context().close();
});

test("keyboard: Shift+Enter breaks the line, Escape stops, Ctrl+K starts anew, arrows change tabs", async () => {
  const page = await open({}, server.url, 2000);
  await page.fill("#prompt", "one");
  await page.press("#prompt", "Shift+Enter");
  assert.match(await page.inputValue("#prompt"), /one\n/);
  await page.fill("#prompt", "Write a very long story, as long as you can.");
  await page.press("#prompt", "Enter");
  await page.waitForFunction(() => document.querySelector(".msg.assistant .text")?.textContent.length > 10);
  await page.keyboard.press("Escape");
  await page.waitForSelector(".msg.assistant .under");
  assert.match(await page.textContent(".badge"), /stopped/);
  await page.keyboard.press("Control+k");
  await page.waitForSelector(".empty");
  await page.focus("#tab-chat");
  await page.keyboard.press("ArrowRight");
  assert.ok(await page.isVisible("#check"));
  await page.keyboard.press("ArrowRight");
  await page.waitForSelector(".card");
  await shot(page, "status");
  await page.context().close();
});

test("the stop button ends an answer, Again writes another", async () => {
  const page = await open({}, server.url, 2000);
  await page.fill("#prompt", "Write a very long story, as long as you can.");
  await page.click("#send");
  await page.waitForFunction(() => document.querySelector(".msg.assistant .text")?.textContent.length > 10);
  await page.click("#stop");
  await page.waitForSelector(".msg.assistant .under");
  assert.match(await page.textContent(".badge"), /stopped/);
  const first = await page.textContent(".msg.assistant .text");
  await page.click(".msg.assistant .under >> text=Again");
  await page.waitForFunction(() => document.querySelector(".msg.assistant .text.cursor")?.textContent.length > 10);
  await page.keyboard.press("Escape");
  await page.waitForSelector(".msg.assistant .under");
  assert.equal(await page.locator(".msg.assistant").count(), 1);
  assert.notEqual(await page.textContent(".msg.assistant .text"), first);
  await page.context().close();
});

test("faults are said in plain words: busy tells when to try again, away is told too", async () => {
  const page = await open();
  page.removeAllListeners("console"); // the browser reports the faults that this test makes
  await page.route("**/v1/chat/completions", (r) => r.fulfill({ status: 429, headers: { "retry-after": "7" }, json: { error: { message: "The queue is full." } } }));
  await page.fill("#prompt", "Hello");
  await page.press("#prompt", "Enter");
  assert.match(await page.textContent(".msg .error"), /queue is full.*7 s/);
  await page.unroute("**/v1/chat/completions");
  await page.route("**/v1/chat/completions", (r) => r.abort());
  await page.click(".msg.assistant .under >> text=Again");
  await page.waitForSelector("#banner:not([hidden])");
  assert.match(await page.textContent("#banner"), /does not answer/);
  await page.unroute("**/v1/chat/completions");
  await page.click(".msg.assistant .under >> text=Again");
  await page.waitForSelector(".msg.assistant .badge");
  assert.ok(await page.isHidden("#banner"));
  await page.context().close();
});

test("the theme button overrules the system and is remembered", async () => {
  const page = await open({ colorScheme: "light" });
  const colour = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const light = await colour();
  await page.click("#theme");
  const dark = await colour();
  assert.notEqual(dark, light);
  await page.reload();
  assert.equal(await colour(), dark);
  await shot(page, "empty-dark");
  await page.context().close();
});

test("conversations are kept and deleted; the mark can be switched off", async () => {
  const page = await open();
  await page.check("[name=mode][value=off]", { force: true });
  await ask(page, "Say hello.");
  assert.match(await page.textContent(".badge"), /Not marked/);
  await page.reload();
  await page.click("#list .title");
  assert.equal(await page.textContent(".msg.user .text"), "Say hello.");
  await page.hover("#list li");
  await page.click("#list .remove");
  assert.equal(await page.locator("#list li").count(), 0);
  await page.context().close();
});

test("HTML of user and model is shown as text", async () => {
  const page = await open();
  const evil = '<img src=x onerror="document.title=\'owned\'"><script>document.title="owned"</script>';
  await page.route("**/v1/chat/completions", (r) => r.fulfill({ contentType: "text/event-stream", body: `data: ${JSON.stringify({ choices: [{ index: 0, delta: { content: "**bold** " + evil + "\n\n```\n" + evil + "\n```" } }] })}\n\ndata: [DONE]\n\n` }));
  await ask(page, evil);
  assert.equal(await page.locator(".msg img, .msg script").count(), 0);
  assert.equal(await page.title(), "Xoe");
  assert.match(await page.textContent(".msg.assistant .text"), /onerror/);
  assert.equal(await page.locator(".msg.assistant strong").count(), 1);
  await page.context().close();
});

for (const scheme of ["light", "dark"])
  test(`a phone in ${scheme}: nothing overflows`, async () => {
    const page = await open({ viewport: { width: 390, height: 780 }, colorScheme: scheme });
    await ask(page, "Name three rivers.");
    for (const tab of ["chat", "check", "status"]) {
      await page.click(`#tab-${tab}`);
      const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      assert.ok(wide <= 0, `${tab} is ${wide} px too wide`);
      if (tab === "chat") assert.ok(await page.evaluate(() => Math.abs(document.getElementById("send").getBoundingClientRect().bottom - document.getElementById("mode").getBoundingClientRect().bottom) < 12), "Send has its own row");
    }
    await page.click("#tab-chat");
    const dark = await page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    assert.equal(dark === "rgb(21, 23, 22)", scheme === "dark");
    await shot(page, `phone-${scheme}`);
    await page.context().close();
  });

test("a server with a key asks for it, and goes on once it has it", async () => {
  const locked = await serve("--api-key", "sesame");
  try {
    const page = await open({}, locked.url);
    await page.waitForSelector("#settings[open]");
    assert.match(await page.textContent("#banner"), /API key/);
    await page.fill("#key", "wrong");
    await page.click("#settings-form .primary");
    await page.waitForSelector("#settings[open]");
    await page.fill("#key", "sesame");
    await page.click("#settings-form .primary");
    await page.waitForFunction(() => document.getElementById("model").options.length > 0);
    assert.ok(await page.isHidden("#banner"));
    await page.context().close();
  } finally {
    locked.child.kill();
  }
});

test("no error in the console, nothing refused by the policy, nothing left the origin", () => {
  assert.deepEqual(problems, []);
});
