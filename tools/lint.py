#!/usr/bin/env python3
"""Checks of the code that a compiler does not make. Prints "file:line: what"; exit status 1 if any.

usage: tools/lint.py [--list]

- layering: a folder of src/ includes only itself and those before it (XOE_FOLDERS in CMakeLists.txt);
- foreign headers are included by their adapter folder only;
- banned functions; nothing marked as unfinished; no paths of a machine; no hosts of package registries;
- C files open with a comment; text files end with a newline and have no trailing blanks;
- POSIX sh scripts parse. Long files are only reported.
"""

import os
import re
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
LONG_FILE = 500

# Which folders of src/ may include a foreign header (regular expression on the header's name).
FOREIGN = [
    (r"(llama|ggml|gguf|common|chat|json-schema-to-grammar|sampling|nlohmann/.*)[\w.-]*\.(h|hpp)", {"engine"}),
    (r"sqlite3\.h", {"trust"}),
    (r"(libwebsockets|lws[\w-]*)\.h", {"serve"}),
    (r"(curl/.*|zip|editline/.*|histedit|readline/.*)\.h", {"cli"}),
    (r"uni(norm|type|str|case|name|brk|gbrk|wbrk)\.h", {"base", "mark", "flow", "engine"}),
]
BANNED = ["sprintf", "vsprintf", "gets", "system", "popen", "strtok", "tmpnam", "mktemp", "alloca"]
# Tests may copy their own constants and have reproducible noise.
BANNED_IN_SRC = ["strcpy", "strcat", "rand", "srand"]
# Written in halves so that this file passes its own check.
REGISTRIES = ["pypi" + ".org", "files.python" + "hosted.org", "registry.npm" + "js.org", "deb.deb" + "ian.org",
              "security.deb" + "ian.org", "archive.ubu" + "ntu.com", "registry.yarn" + "pkg.com", "proxy.gol" + "ang.org",
              "crates" + ".io"]
MACHINE = [r"/ro" + r"ot/", r"/wo" + r"rk/", r"/ho" + r"me/[a-z]"]
UNFINISHED = ["TO" + "DO", "FIX" + "ME", "XX" + "X:"]
TEXT = {".c", ".h", ".cpp", ".py", ".sh", ".cmake", ".txt", ".md", ".json", ".html", ".js", ".css", ".mjs", ".ts", ".yml",
        ".yaml", ".supp", ""}

found = []


def report(path, line, what):
    found.append(f"{path}:{line}: {what}")


def tracked():
    out = subprocess.run(["git", "ls-files", "-co", "--exclude-standard", "-z"], cwd=ROOT, capture_output=True, check=True)
    return sorted({p for p in out.stdout.decode().split("\0") if p and os.path.isfile(os.path.join(ROOT, p))})


def folders():
    with open(os.path.join(ROOT, "CMakeLists.txt"), encoding="utf-8") as f:
        return re.search(r"set\(XOE_FOLDERS ([^)]*)\)", f.read()).group(1).split()


def without_comments(text):
    """Comments and literals blanked, line numbers kept."""
    def blank(m):
        s = m.group(0)
        return s if s.startswith("#") else re.sub(r"[^\n]", " ", s)
    return re.sub(r"#\s*include[^\n]*|/\*.*?\*/|//[^\n]*|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'", blank, text, flags=re.S)


def check_includes(path, lines, order):
    folder = path.split("/")[1]
    if folder not in order:
        report(path, 1, f"src/{folder} is not in XOE_FOLDERS")
        return
    for i, line in enumerate(lines, 1):
        m = re.match(r'\s*#\s*include\s*[<"]([^>"]+)[>"]', line)
        if not m:
            continue
        header = m.group(1)
        first = header.split("/")[0]
        if first in order and "/" in header:
            if order.index(first) > order.index(folder):
                report(path, i, f"{folder}/ may not include {header}: {first}/ is below it in the list")
            continue
        for pattern, allowed in FOREIGN:
            if re.fullmatch(pattern, header) and folder not in allowed:
                report(path, i, f"{header} belongs to {', '.join(sorted(allowed))}/")


def check_c(path, text, order):
    if path.startswith("src/"):
        check_includes(path, text.split("\n"), order)
    if not text.lstrip().startswith("/*"):
        report(path, 1, "does not open with a comment that says what it is")
    code = without_comments(text)
    for name in BANNED + (BANNED_IN_SRC if not path.startswith("tests/") else []):
        for m in re.finditer(rf"(?<![\w.>]){name}\s*\(", code):
            report(path, code.count("\n", 0, m.start()) + 1, f"banned function {name}")


def check_text(path, text):
    lines = text.split("\n")
    if text and not text.endswith("\n"):
        report(path, len(lines), "no newline at the end")
    for i, line in enumerate(lines, 1):
        if line != line.rstrip() and not path.endswith(".md"):
            report(path, i, "blanks at the end of the line")
        for host in REGISTRIES:
            if host in line:
                report(path, i, f"host of a package registry: {host}")
        for pattern in MACHINE:
            if re.search(pattern, line):
                report(path, i, "path of a machine")
        for word in UNFINISHED:
            if word in line:
                report(path, i, f"unfinished: {word}")


def check_shell(path, text):
    if text.startswith("#!/bin/sh") or path.endswith(".sh"):
        shell = "bash" if text.startswith(("#!/bin/bash", "#!/usr/bin/env bash")) else "sh"
        run = subprocess.run([shell, "-n", os.path.join(ROOT, path)], capture_output=True, text=True)
        if run.returncode:
            report(path, 1, run.stderr.strip().split("\n")[0])


def main():
    order = folders()
    long_files = []
    paths = tracked()
    if sys.argv[1:] == ["--list"]:
        print("\n".join(paths))
        return 0
    for path in paths:
        ext = os.path.splitext(path)[1]
        if ext not in TEXT or path == "LICENSE" or path.startswith("fuzz/corpus/"):
            continue
        with open(os.path.join(ROOT, path), "rb") as f:
            raw = f.read()
        try:
            text = raw.decode("utf-8")
        except UnicodeDecodeError:
            report(path, 1, "not UTF-8")
            continue
        if "\0" in text:
            continue
        vectors = path.startswith("tests/vectors/")
        if not vectors:
            check_text(path, text)
        check_shell(path, text)
        if ext in (".c", ".h", ".cpp"):
            check_c(path, text, order)
            n = text.count("\n")
            if n > LONG_FILE:
                long_files.append((n, path))
    for n, path in sorted(long_files, reverse=True):
        print(f"note: {path} has {n} lines; aim under {LONG_FILE}")
    print("\n".join(found) if found else f"lint: {len(paths)} files, nothing found")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
