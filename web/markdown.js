// A little Markdown into DOM nodes. Text of a model is never parsed as HTML.

export function el(tag, props = {}, ...children) {
  const node = document.createElement(tag);
  for (const [k, v] of Object.entries(props)) k in node ? (node[k] = v) : node.setAttribute(k, v);
  node.append(...children);
  return node;
}

// Copies and says so on the button. The clipboard API is absent where the page comes over plain HTTP from another machine.
export async function copy(text, button) {
  let done = true;
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const area = el("textarea", { value: text, className: "sr" });
    button.after(area);
    area.select();
    done = document.execCommand("copy");
    area.remove();
    button.focus();
  }
  button.textContent = done ? "Copied" : "Not copied";
  setTimeout(() => (button.textContent = "Copy"), 1200);
}

function inline(text) {
  const out = [];
  const pattern = /(`[^`\n]+`)|(\*\*[^*\n]+\*\*)|(\*[^*\s][^*\n]*\*)/g;
  let at = 0;
  for (const m of text.matchAll(pattern)) {
    if (m.index > at) out.push(text.slice(at, m.index));
    if (m[1]) out.push(el("code", {}, m[1].slice(1, -1)));
    else if (m[2]) out.push(el("strong", {}, m[2].slice(2, -2)));
    else out.push(el("em", {}, m[3].slice(1, -1)));
    at = m.index + m[0].length;
  }
  out.push(text.slice(at));
  return out;
}

function codeBlock(lines) {
  const text = lines.join("\n");
  const button = el("button", { type: "button" }, "Copy");
  button.addEventListener("click", () => copy(text, button));
  return el("div", { className: "code" }, el("pre", {}, el("code", {}, text)), button);
}

export function markdown(text) {
  const out = document.createDocumentFragment();
  const lines = text.split("\n");
  let paragraph = [];
  let list = null;
  const flush = () => {
    if (paragraph.length) {
      const p = el("p");
      paragraph.forEach((line, i) => p.append(...(i ? [el("br")] : []), ...inline(line)));
      out.append(p);
    }
    paragraph = [];
  };
  for (let i = 0; i < lines.length; i++) {
    const line = lines[i];
    const fence = line.match(/^\s*(```|~~~)/);
    const heading = line.match(/^(#{1,6})\s+(.*)/);
    const item = line.match(/^\s*(?:[-*+]|(\d+)[.)])\s+(.*)/);
    if (fence) {
      flush();
      list = null;
      const code = [];
      while (++i < lines.length && !lines[i].trimStart().startsWith(fence[1])) code.push(lines[i]);
      out.append(codeBlock(code));
    } else if (heading) {
      flush();
      list = null;
      out.append(el(heading[1].length < 3 ? "h3" : "h4", {}, ...inline(heading[2])));
    } else if (item) {
      flush();
      const tag = item[1] ? "OL" : "UL";
      if (list?.tagName !== tag) out.append((list = el(tag, item[1] ? { start: Number(item[1]) } : {})));
      list.append(el("li", {}, ...inline(item[2])));
    } else if (!line.trim()) {
      flush();
      if (!/^\s*(?:[-*+]|\d+[.)])\s/.test(lines[i + 1] ?? "")) list = null;
    } else {
      list = null;
      paragraph.push(line);
    }
  }
  flush();
  return out;
}
