// "Check a text": the detector's verdict in plain words, and which words speak for it.
import { postJson } from "./api.js";
import { percent, small } from "./chat.js";
import { el } from "./markdown.js";

const $ = (id) => document.getElementById(id);
const titles = { marked: "This text carries a mark of this server", not_marked: "No mark found", cannot_carry: "Too little text to tell" };

const plain = {
  marked: (v) => (v.log10_p < -6 ? "Fewer than one unmarked text in a million looks like this by chance." : `About one unmarked text in ${Math.round(10 ** -v.log10_p).toLocaleString("en")} looks like this by chance.`),
  not_marked: () => "Nothing points to a key of this server. A strongly edited text, or one written elsewhere, looks the same.",
  cannot_carry: () => "This text is too short, or leaves too little choice of words, to carry a mark. That says nothing about who wrote it.",
};

const fact = (label, value) => el("div", {}, el("b", {}, value), el("span", { className: "fine" }, label));

// The text with each token coloured by its score; positions are in characters (code points).
function heatMap(text, tokens, spans) {
  const chars = [...text];
  const box = el("div", { className: "heat", tabIndex: 0, ariaLabel: "The text, coloured by how much each word speaks for the mark" });
  let at = 0;
  for (const t of tokens) {
    if (t.start > at) box.append(chars.slice(at, t.start).join(""));
    if (t.end <= t.start) continue;
    const level = t.score === null ? 0 : Math.min(4, Math.floor(t.score / 1.1));
    const inSpan = spans.some((s) => t.start >= s.start && t.end <= s.end);
    const node = el("span", { className: `${level ? `h${level}` : ""}${inSpan ? " span" : ""}`, title: t.score === null ? "not scored" : `score ${t.score.toFixed(2)} (1 by chance)` }, chars.slice(t.start, t.end).join(""));
    box.append(node);
    at = t.end;
  }
  box.append(chars.slice(at).join(""));
  return box;
}

function show(text, v) {
  const facts = el("div", { className: "facts" }, fact("confidence", percent(v.confidence)), fact("p-value", small(v.log10_p)), fact("tokens scored", `${v.n_scored} of ${v.n_tokens}`));
  if (v.score !== null) facts.append(fact("mean score (1 by chance)", v.score.toFixed(2)));
  if (v.detected) facts.append(fact("key", v.key_id));
  const legend = el("div", { className: "legend fine" }, el("span", {}, el("i", { className: "h1" }), "speaks a little for the mark"), el("span", {}, el("i", { className: "h4" }), "speaks strongly for it"));
  if (v.spans?.length) legend.append(el("span", {}, "underlined: marked passages"));
  $("verdict").replaceChildren(el("div", { className: `result ${v.verdict}` }, el("h2", {}, titles[v.verdict] ?? v.verdict), el("p", {}, plain[v.verdict]?.(v) ?? v.note ?? ""), facts, heatMap(text, v.tokens ?? [], v.spans ?? []), legend));
}

export function startCheck({ banner }) {
  const count = () => ($("check-count").textContent = $("check-text").value.trim() ? `${$("check-text").value.trim().split(/\s+/).length} words` : "");
  $("check-text").addEventListener("input", count);
  $("check-form").addEventListener("submit", async (e) => {
    e.preventDefault();
    count();
    const text = $("check-text").value;
    if (!text.trim()) return $("check-text").focus();
    $("check-go").disabled = true;
    try {
      show(text, await postJson("/v1/detect-watermark", { text, spans: true, tokens: true }));
      banner(null);
    } catch (err) {
      $("verdict").replaceChildren(el("div", { className: "error", role: "alert" }, err.message));
      if (err.status === 401) $("open-settings").click();
    }
    $("check-go").disabled = false;
  });
  return (visible) => visible && $("check-text").focus();
}
