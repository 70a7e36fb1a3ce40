// What console/static/rule_editor.js uses of CodeMirror, bundled into one file by vendor_js.sh.
export {autocompletion, closeBrackets, completionKeymap} from "@codemirror/autocomplete";
export {defaultKeymap, history, historyKeymap, indentWithTab, temporarilySetTabFocusMode}
  from "@codemirror/commands";
export {yaml} from "@codemirror/lang-yaml";
export {HighlightStyle, bracketMatching, indentOnInput, indentUnit, syntaxHighlighting}
  from "@codemirror/language";
export {forceLinting, lintGutter, lintKeymap, linter, setDiagnostics} from "@codemirror/lint";
export {highlightSelectionMatches, search, searchKeymap} from "@codemirror/search";
export {Compartment, EditorState} from "@codemirror/state";
export {EditorView, drawSelection, highlightActiveLine, highlightActiveLineGutter, keymap,
  lineNumbers} from "@codemirror/view";
export {tags} from "@lezer/highlight";
