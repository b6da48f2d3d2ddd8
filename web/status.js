// Status: health and metrics, refreshed while the tab is open.
import { getJson, getText } from "./api.js";
import { el } from "./markdown.js";

const $ = (id) => document.getElementById(id);

function parseMetrics(text) {
  const out = {};
  for (const line of text.split("\n")) {
    const m = line.match(/^([a-z_:]+)(?:\{[^}]*\})? ([-+0-9.e]+)$/i);
    if (m) out[m[1]] = (out[m[1]] ?? 0) + Number(m[2]); // one name, several labels: their sum
  }
  return out;
}

const duration = (s) => (s < 60 ? `${s} s` : s < 3600 ? `${Math.floor(s / 60)} min` : `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`);
const card = (value, label, kind = "") => el("div", { className: `card ${kind}` }, el("b", {}, value), el("span", {}, label));
const number = (x) => (x ?? 0).toLocaleString("en");

export function startStatus({ banner }) {
  let timer = null;
  let before = null;

  async function refresh() {
    try {
      const [h, text] = await Promise.all([getJson("/health"), getText("/metrics")]);
      const m = parseMetrics(text);
      const now = { t: performance.now(), n: m["llamacpp:tokens_predicted_total"] ?? 0 };
      const rate = before && now.t > before.t ? (1000 * (now.n - before.n)) / (now.t - before.t) : 0;
      before = now;
      $("cards").replaceChildren(
        card(h.status === "ok" ? "Running" : h.status, `version ${h.version}`), card(h.model, "model", "broad"), card(duration(h.uptime_s), "since the start"),
        card(`${h.slots.processing} of ${h.slots.total}`, "answers being written"), card(number(h.slots.waiting), "waiting"), card(rate.toFixed(1), "tokens a second, now"),
        card(number(now.n), "tokens written"), card(number(m["llamacpp:prompt_tokens_total"]), "tokens read"), card(number(m.xoe_generations_total), "answers finished"),
        card(number(m.xoe_generations_watermarked_total), "of them marked"), card(number(m.xoe_detections_total), "texts checked"), card(number(m.xoe_audit_rows_total), "audit rows"),
        card(number(m.xoe_http_requests_total), "requests"), card(number(m.xoe_queue_refused_total), "refused, queue full"),
        card(h.watermarking_enabled ? (h.enforce ? "Enforced" : "On") : "Off", "watermark"),
      );
      $("status-note").textContent = `Read at ${new Date().toLocaleTimeString()}; again every 2 seconds.`;
      banner(null);
    } catch (e) {
      banner(e.message);
    }
  }

  return (visible) => {
    clearInterval(timer);
    if (!visible) return;
    refresh();
    timer = setInterval(refresh, 2000);
  };
}
