// Turns the two texts of the rules page into editors. Without this script they stay plain texts,
// and everything on the page works as well.

import {
  EditorState, EditorView, HighlightStyle, autocompletion, bracketMatching, completionKeymap,
  defaultKeymap, drawSelection, highlightActiveLine, highlightActiveLineGutter,
  highlightSelectionMatches, history, historyKeymap, indentOnInput, indentUnit, indentWithTab,
  keymap, lineNumbers, lintGutter, lintKeymap, search, searchKeymap, setDiagnostics,
  syntaxHighlighting, tags, yaml,
} from "./vendor/codemirror.js";
import {completeYaml} from "./yaml_completion.js";

const PAUSE_MS = 500;
const form = document.getElementById("rule-form");
const status = document.getElementById("lint-status");
const headers = JSON.parse(document.body.getAttribute("hx-headers") ?? "{}");

const look = EditorView.theme({
  "&": {backgroundColor: "var(--surface)", color: "var(--ink)", fontSize: "0.85rem",
    border: "1px solid var(--line-strong)", borderRadius: "var(--radius)", maxHeight: "38rem"},
  "&.cm-focused": {outline: "3px solid var(--focus)", outlineOffset: "2px"},
  ".cm-scroller": {fontFamily: "var(--mono)", lineHeight: "1.5"},
  ".cm-content": {caretColor: "var(--ink)"},
  ".cm-content, .cm-gutter": {minHeight: "18rem"},
  ".cm-cursor": {borderLeftColor: "var(--ink)"},
  ".cm-gutters": {backgroundColor: "var(--sunken)", color: "var(--ink-soft)", border: "0"},
  ".cm-activeLine, .cm-activeLineGutter": {backgroundColor: "var(--accent-soft)"},
  "&.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground, .cm-selectionBackground":
    {backgroundColor: "color-mix(in srgb, var(--accent) 30%, transparent)"},
  ".cm-tooltip, .cm-panels": {backgroundColor: "var(--surface)", color: "var(--ink)",
    border: "1px solid var(--line-strong)"},
  ".cm-tooltip-autocomplete ul li[aria-selected]":
    {backgroundColor: "var(--accent)", color: "var(--accent-ink)"},
  ".cm-diagnostic-error": {borderLeftColor: "var(--critical)"},
  ".cm-diagnostic-warning": {borderLeftColor: "var(--medium)"},
  // Marks of our own: those of the package are pictures in addresses, which the policy refuses.
  ".cm-lintRange-error, .cm-lintRange-warning, .cm-lintRange-active":
    {backgroundImage: "none", paddingBottom: "0"},
  ".cm-lintRange-error": {textDecoration: "underline wavy var(--critical)"},
  ".cm-lintRange-warning": {textDecoration: "underline wavy var(--medium)"},
  ".cm-lint-marker-error, .cm-lint-marker-warning":
    {content: "normal", fontSize: "0.8em", textAlign: "center"},
  ".cm-lint-marker-error::before": {content: '"\\2715"', color: "var(--critical)"},
  ".cm-lint-marker-warning::before": {content: '"\\25B2"', color: "var(--medium)"},
});
const colours = HighlightStyle.define([
  {tag: [tags.propertyName, tags.definition(tags.propertyName)], color: "var(--accent)"},
  {tag: tags.comment, color: "var(--ink-soft)", fontStyle: "italic"},
  {tag: [tags.string, tags.special(tags.string)], color: "var(--good)"},
  {tag: [tags.keyword, tags.number, tags.bool], color: "var(--high)"},
]);

const loaded = (address) => {
  let answer;
  return () => {
    answer ??= fetch(address, {headers: {accept: "application/json"}})
      .then((response) => (response.ok ? response.json() : null))
      .catch(() => null);
    return answer;
  };
};

const editors = new Map();
let pause = 0;
let round = 0;

// Escape, then Tab, leaves the editor: Tab alone indents.
const leave = {key: "Escape", run: (view) => { view.setTabFocusMode(true); return false; }};

const editorOf = (textarea) => {
  const kind = textarea.dataset.editor;
  const schema = loaded(kind === "cases" ? "/rules/schema?cases=true" : "/rules/schema");
  const view = new EditorView({
    doc: textarea.value,
    extensions: [
      EditorView.cspNonce.of(form.dataset.nonce),
      lineNumbers(), highlightActiveLineGutter(), lintGutter(), history(), drawSelection(),
      indentOnInput(), indentUnit.of("  "), EditorState.tabSize.of(2), bracketMatching(),
      autocompletion({override: [completeYaml(schema)], icons: false}), highlightActiveLine(),
      highlightSelectionMatches(), search({top: true}), yaml(), syntaxHighlighting(colours), look,
      keymap.of([leave, ...completionKeymap, ...lintKeymap, ...searchKeymap, ...historyKeymap,
        ...defaultKeymap, indentWithTab]),
      EditorView.contentAttributes.of({
        "aria-labelledby": `${textarea.id}-label`, "aria-describedby": "editor-help", tabindex: "0",
      }),
      EditorView.domEventHandlers({blur: (event, view) => { view.setTabFocusMode(false); }}),
      EditorView.updateListener.of((update) => {
        if (!update.docChanged) return;
        textarea.value = update.state.doc.toString();
        window.clearTimeout(pause);
        pause = window.setTimeout(lint, PAUSE_MS);
      }),
    ],
  });
  textarea.after(view.dom);
  textarea.classList.add("replaced");
  document.getElementById(`${textarea.id}-label`).addEventListener("click", (event) => {
    event.preventDefault();
    view.focus();
  });
  return view;
};

const diagnostic = (doc, remark) => {
  const line = doc.line(Math.min(Math.max(1, remark.line), doc.lines));
  const from = Math.min(line.from + Math.max(0, remark.column - 1), line.to);
  const said = remark.rule_id ? `${remark.rule_id}: ${remark.message}` : remark.message;
  return {from, to: line.to, severity: remark.is_error ? "error" : "warning", message: said};
};

const count = (n, one, many) => `${n} ${n === 1 ? one : many}`;

const show = (answer) => {
  const names = {pack: answer.pack, cases: answer.cases};
  for (const [kind, view] of editors) {
    const mine = answer.remarks.filter((remark) => remark.file === names[kind]);
    const found = mine.map((remark) => diagnostic(view.state.doc, remark));
    view.dispatch(setDiagnostics(view.state, found.sort((a, b) => a.from - b.from)));
  }
  const first = answer.remarks.find((remark) => Object.values(names).includes(remark.file));
  const elsewhere = answer.remarks.filter((remark) => !Object.values(names).includes(remark.file));
  const nErrors = answer.remarks.filter((remark) => remark.is_error).length;
  const nPoor = answer.remarks.length - nErrors;
  const parts = [];
  if (nErrors) parts.push(count(nErrors, "error", "errors"));
  if (nPoor) parts.push(count(nPoor, "thing is poor", "things are poor"));
  if (first) parts.push(`${first.file}, line ${first.line}: ${first.message}`);
  if (elsewhere.length) parts.push(`${elsewhere[0].file}: ${elsewhere[0].message}`);
  status.textContent = parts.length ? parts.join("; ") : "No error, and nothing poor.";
};

const lint = async () => {
  if (!form.elements.namedItem("name").value.trim()) {
    status.textContent = "Name the file, and it is checked as you write.";
    return;
  }
  const mine = (round += 1);
  const body = new URLSearchParams(new FormData(form));
  body.delete("note");
  try {
    const response = await fetch("/rules/lint", {method: "POST", headers, body});
    if (mine !== round) return;
    if (!response.ok) {
      status.textContent = new DOMParser()
        .parseFromString(await response.text(), "text/html").querySelector("main p")
        ?.textContent ?? "The texts could not be checked just now.";
      return;
    }
    const answer = await response.json();
    if (mine === round) show(answer);
  } catch {
    if (mine === round) status.textContent = "The texts could not be checked: no connection.";
  }
};

for (const textarea of form.querySelectorAll("textarea[data-editor]")) {
  editors.set(textarea.dataset.editor, editorOf(textarea));
}
form.querySelector("input#name")?.addEventListener("change", lint);
lint();
