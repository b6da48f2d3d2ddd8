// The page: tabs, theme, settings, start. Chat, check and status have a module each.
import { getJson, key, stored } from "./api.js";
import { startChat } from "./chat.js";
import { startCheck } from "./check.js";
import { startStatus } from "./status.js";

const $ = (id) => document.getElementById(id);

export const settings = {
  all: { system: "", temperature: 0.8, top_p: 0.95, max_tokens: 600, seed: "", model: "", mode: "generate", ...stored("xoe-settings", {}) },
  save() {
    localStorage.setItem("xoe-settings", JSON.stringify(this.all));
  },
};

export function banner(text) {
  $("banner").textContent = text ?? "";
  $("banner").hidden = !text;
}

function startTheme() {
  const apply = (t) => (t ? (document.documentElement.dataset.theme = t) : delete document.documentElement.dataset.theme);
  apply(localStorage.getItem("xoe-theme"));
  $("theme").addEventListener("click", () => {
    const dark = document.documentElement.dataset.theme ? document.documentElement.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    const next = dark ? "light" : "dark";
    localStorage.setItem("xoe-theme", next);
    apply(next);
  });
}

const tabs = ["chat", "check", "status"];
const onShow = {};

function show(name) {
  for (const t of tabs) {
    $(t).hidden = t !== name;
    $(`tab-${t}`).setAttribute("aria-selected", t === name);
    $(`tab-${t}`).tabIndex = t === name ? 0 : -1;
  }
  $("side").hidden = name !== "chat";
  if (location.hash !== `#${name}`) history.replaceState(null, "", `#${name}`);
  for (const t of tabs) onShow[t]?.(t === name);
}

function startTabs() {
  for (const t of tabs) $(`tab-${t}`).addEventListener("click", () => show(t));
  document.querySelector("[role=tablist]").addEventListener("keydown", (e) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[e.key];
    if (!step) return;
    const at = tabs.findIndex((t) => $(`tab-${t}`).getAttribute("aria-selected") === "true");
    const next = tabs[(at + step + tabs.length) % tabs.length];
    show(next);
    $(`tab-${next}`).focus();
  });
}

function startSettings() {
  const fields = ["system", "temperature", "top_p", "max_tokens", "seed"];
  $("open-settings").addEventListener("click", () => {
    for (const f of fields) $(f).value = settings.all[f];
    $("key").value = key.get();
    $("settings").showModal();
  });
  $("settings").addEventListener("close", () => {
    for (const f of fields) {
      const input = $(f);
      settings.all[f] = input.type === "number" && input.value !== "" ? Number(input.value) : input.value;
    }
    settings.save();
    if ($("key").value !== key.get()) {
      key.set($("key").value);
      loadModels();
    }
  });
}

async function loadModels() {
  try {
    const { data } = await getJson("/v1/models");
    const chat = data.filter((m) => m.capabilities?.completion !== false);
    $("model").replaceChildren(...chat.map((m) => new Option(m.id, m.id)));
    const preferred = chat.find((m) => m.id === settings.all.model) ?? chat.find((m) => m.default) ?? chat[0];
    if (preferred) $("model").value = preferred.id;
    banner(null);
  } catch (e) {
    banner(e.message);
    if (e.status === 401) $("open-settings").click();
  }
}

startTheme();
startTabs();
startSettings();
$("model").addEventListener("change", () => {
  settings.all.model = $("model").value;
  settings.save();
});
$("menu").addEventListener("click", () => $("menu").setAttribute("aria-expanded", $("side").classList.toggle("open")));
startChat({ settings, banner });
onShow.check = startCheck({ banner });
onShow.status = startStatus({ banner });
show(tabs.includes(location.hash.slice(1)) ? location.hash.slice(1) : "chat");
loadModels();
