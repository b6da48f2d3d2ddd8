// Conversations: kept in this browser, streamed from the server, each answer with a badge of its mark.
import { postStream, stored } from "./api.js";
import { copy, el, markdown } from "./markdown.js";

const $ = (id) => document.getElementById(id);
const ideas = ["Explain how tides work to a ten-year-old", "Write a letter that turns down an invitation kindly", "Plan a week of simple vegetarian dinners"];

const store = {
  load: () => stored("xoe-chats", []),
  save(chats) {
    try {
      localStorage.setItem("xoe-chats", JSON.stringify(chats.slice(0, 100)));
    } catch {
      localStorage.setItem("xoe-chats", JSON.stringify(chats.slice(0, 10))); // the browser's room is used up: keep the newest
    }
  },
};

export const percent = (x) => (x >= 0.9995 ? "> 99.9 %" : `${(100 * x).toFixed(1)} %`);
export const small = (log10) => (log10 > -3 ? (10 ** log10).toPrecision(2) : `10^${log10.toFixed(0)}`.replace("^-", "⁻").replace(/\d+$/, (d) => (d.startsWith("10") && d.length < 3 ? d : [...d].map((c) => "⁰¹²³⁴⁵⁶⁷⁸⁹"[c]).join(""))));

function badge(mark) {
  if (!mark) return null;
  if (mark.on) return el("span", { className: "badge on", title: `Key ${mark.key ?? "?"}. By chance alone a text scores like this with probability ${small(mark.log10_p ?? 0)}.` }, `✓ Marked · ${percent(mark.confidence ?? 0)} sure · p ${small(mark.log10_p ?? 0)}`);
  return el("span", { className: "badge", title: mark.why ?? "" }, mark.why ? `Not marked: ${mark.why}` : "Not marked");
}

function readMark(chunk) {
  if (!("is_watermarked" in chunk)) return null;
  const w = chunk.choices?.[0]?.watermark ?? chunk.watermark ?? chunk.metadata?.watermark ?? {};
  const confidence = w.confidence ?? chunk.metadata?.confidence;
  return { on: chunk.is_watermarked, confidence, log10_p: w.log10_p ?? (typeof chunk.watermark_signal === "number" ? -Math.abs(chunk.watermark_signal) : 0), key: chunk.metadata?.key_id, why: w.unmarked_reason || chunk.metadata?.unmarked_reason || "" };
}

export function startChat({ settings, banner }) {
  let chats = store.load();
  let current = null;
  let running = null;

  const persist = () => store.save(chats);

  function bubble(m, i) {
    const node = el("div", { className: `msg ${m.role}` });
    const text = el("div", { className: "text" });
    if (m.role === "user") text.textContent = m.content;
    else text.append(markdown(m.content));
    node.append(text);
    if (m.error) node.append(el("div", { className: "error", role: "alert" }, m.error));
    if (m.role === "assistant" && !m.live) {
      const under = el("div", { className: "under" }, ...[badge(m.mark)].filter(Boolean));
      const button = (label, fn) => {
        const b = el("button", { type: "button", className: "ghost" }, label);
        b.addEventListener("click", fn);
        under.append(b);
      };
      if (m.cut) under.append(el("span", { className: "fine" }, "Cut at the longest answer"));
      button("Copy", (e) => copy(m.content, e.currentTarget));
      button("Check", () => {
        $("check-text").value = m.content;
        $("tab-check").click();
        $("check-form").requestSubmit();
      });
      if (i === current.messages.length - 1) button("Again", () => regenerate());
      node.append(under);
    } else if (m.role === "user" && !running) {
      text.title = "Click to edit and ask again";
      text.tabIndex = 0;
      text.setAttribute("role", "button");
      const edit = () => {
        $("prompt").value = m.content;
        current.messages.length = i;
        persist();
        render();
        $("prompt").focus();
        grow();
      };
      text.addEventListener("click", edit);
      text.addEventListener("keydown", (e) => e.key === "Enter" && edit());
    }
    return node;
  }

  function empty() {
    const box = el("div", { className: "empty" }, el("h1", {}, "What can I do for you?"), el("p", { className: "lead" }, "Answers are written on this machine and carry an invisible mark."));
    const row = el("div", { className: "ideas" });
    for (const idea of ideas) {
      const b = el("button", { type: "button" }, idea);
      b.addEventListener("click", () => send(idea));
      row.append(b);
    }
    box.append(row);
    return box;
  }

  function renderList() {
    $("list").replaceChildren(...chats.map((c) => {
      const title = el("button", { type: "button", className: "title" }, c.title || "New chat");
      title.addEventListener("click", () => open(c));
      const remove = el("button", { type: "button", className: "remove", ariaLabel: `Delete ${c.title}` }, "✕");
      remove.addEventListener("click", () => {
        chats = chats.filter((x) => x !== c);
        persist();
        if (c === current) fresh();
        renderList();
      });
      const li = el("li", {}, title, remove);
      if (c === current) li.setAttribute("aria-current", "true");
      return li;
    }));
  }

  function render() {
    $("messages").replaceChildren(...(current.messages.length ? current.messages.map(bubble) : [empty()]));
    $("messages").scrollTop = $("messages").scrollHeight;
    renderList();
  }

  function open(chat) {
    stop();
    current = chat;
    $("side").classList.remove("open");
    render();
  }

  function fresh() {
    stop();
    current = { title: "", messages: [] };
    $("side").classList.remove("open");
    render();
    $("prompt").focus();
  }

  function stop() {
    running?.abort();
  }

  function busy(on) {
    $("stop").hidden = !on;
    $("send").disabled = on;
    $("messages").setAttribute("aria-busy", on);
  }

  function request() {
    const s = settings.all;
    const history = current.messages.filter((m) => !m.live && m.content).map(({ role, content }) => ({ role, content }));
    return {
      model: $("model").value || undefined, stream: true, messages: [...(s.system ? [{ role: "system", content: s.system }] : []), ...history],
      temperature: s.temperature === "" ? undefined : s.temperature, top_p: s.top_p === "" ? undefined : s.top_p, max_tokens: s.max_tokens || undefined,
      seed: s.seed === "" ? undefined : s.seed, watermark: { mode: document.querySelector("[name=mode]:checked").value },
    };
  }

  async function answer() {
    const chat = current;
    const body = request();
    const m = { role: "assistant", content: "", live: true };
    chat.messages.push(m);
    running = new AbortController();
    busy(true);
    render();
    const text = $("messages").lastChild.querySelector(".text");
    text.classList.add("cursor");
    let due = false;
    const paint = () => {
      due = false;
      if (chat !== current) return;
      const box = $("messages");
      const atEnd = box.scrollHeight - box.scrollTop - box.clientHeight < 80;
      text.replaceChildren(markdown(m.content));
      if (atEnd) box.scrollTop = box.scrollHeight;
    };
    try {
      await postStream("/v1/chat/completions", body, running.signal, (chunk) => {
        m.content += chunk.choices?.[0]?.delta?.content ?? "";
        m.mark = readMark(chunk) ?? m.mark;
        m.cut ||= chunk.choices?.[0]?.finish_reason === "length";
        if (!due) {
          due = true;
          requestAnimationFrame(paint);
        }
      });
      banner(null);
    } catch (e) {
      if (e.name === "AbortError") m.mark = { on: false, why: "stopped before its end" };
      else {
        m.error = e.message;
        if (e.status === 401) $("open-settings").click();
        if (e.status === 0) banner(e.message);
      }
    }
    delete m.live;
    running = null;
    busy(false);
    persist();
    $("say").textContent = m.error ?? `Answer: ${m.content}`;
    if (chat === current) render();
  }

  function send(text) {
    text = text.trim();
    if (!text || running) return;
    if (!current.messages.length) {
      current.title = text.slice(0, 60);
      chats = [current, ...chats.filter((c) => c !== current)];
    }
    current.messages.push({ role: "user", content: text });
    $("prompt").value = "";
    grow();
    return answer();
  }

  function regenerate() {
    if (running) return;
    while (current.messages.at(-1)?.role === "assistant") current.messages.pop();
    return answer();
  }

  function grow() {
    const t = $("prompt");
    t.style.height = "auto";
    t.style.height = `${t.scrollHeight + 2}px`;
  }

  $("composer").addEventListener("submit", (e) => {
    e.preventDefault();
    send($("prompt").value);
  });
  $("prompt").addEventListener("input", grow);
  $("prompt").addEventListener("keydown", (e) => {
    if (e.key === "Enter" && !e.shiftKey && !e.isComposing) {
      e.preventDefault();
      send($("prompt").value);
    }
  });
  $("stop").addEventListener("click", stop);
  $("new").addEventListener("click", fresh);
  $("clear").addEventListener("click", () => {
    if (!confirm("Delete all conversations kept in this browser?")) return;
    chats = [];
    persist();
    fresh();
  });
  document.addEventListener("keydown", (e) => {
    if (e.key === "Escape") stop();
    if ((e.ctrlKey || e.metaKey) && e.key.toLowerCase() === "k") {
      e.preventDefault();
      $("tab-chat").click();
      fresh();
    }
  });
  for (const radio of document.querySelectorAll("[name=mode]")) {
    radio.checked = radio.value === settings.all.mode;
    radio.addEventListener("change", () => {
      settings.all.mode = radio.value;
      settings.save();
    });
  }
  fresh();
}
