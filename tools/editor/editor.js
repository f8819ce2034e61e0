// The query editor of the portal: CodeMirror with GraphQL completion from a schema, in a shadow root.
// In a shadow root CodeMirror adopts its style sheets, so the page's policy can go on refusing inline styles.
import { acceptCompletion, autocompletion, closeBrackets, closeBracketsKeymap, completionKeymap, startCompletion } from "@codemirror/autocomplete";
import { defaultKeymap, history, historyKeymap, indentWithTab } from "@codemirror/commands";
import { json, jsonParseLinter } from "@codemirror/lang-json";
import { bracketMatching, foldGutter, foldKeymap, HighlightStyle, indentOnInput, syntaxHighlighting } from "@codemirror/language";
import { forEachDiagnostic, lintKeymap, linter, setDiagnostics } from "@codemirror/lint";
import { EditorState } from "@codemirror/state";
import { drawSelection, EditorView, highlightActiveLine, highlightSpecialChars, keymap, lineNumbers, placeholder } from "@codemirror/view";
import { tags } from "@lezer/highlight";
import { graphql, updateSchema } from "cm6-graphql";
import { buildClientSchema, parse, print } from "graphql";

// Colours come from the page: custom properties reach into a shadow root.
const look = EditorView.theme({
  "&": { height: "100%", color: "var(--ink)", backgroundColor: "var(--surface)", fontSize: "0.9rem" },
  "&.cm-focused": { outline: "none" },
  ".cm-scroller": { fontFamily: "var(--mono)", lineHeight: "1.55" },
  ".cm-content": { caretColor: "var(--ink)", padding: "0.6rem 0" },
  ".cm-cursor": { borderLeftColor: "var(--ink)", borderLeftWidth: "2px" },
  ".cm-gutters": { backgroundColor: "var(--sunken)", color: "var(--muted)", border: "0", borderRight: "1px solid var(--line)" },
  ".cm-activeLine": { backgroundColor: "color-mix(in srgb, var(--accent-soft) 35%, transparent)" },
  ".cm-activeLineGutter": { backgroundColor: "var(--accent-soft)" },
  "&.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground, .cm-selectionBackground": { backgroundColor: "color-mix(in srgb, var(--accent) 26%, transparent)" },
  "&.cm-focused .cm-matchingBracket": { backgroundColor: "var(--accent-soft)", outline: "1px solid var(--accent)" },
  ".cm-placeholder": { color: "var(--muted)" },
  ".cm-foldPlaceholder": { backgroundColor: "var(--sunken)", border: "1px solid var(--line)", color: "var(--muted)" },
  ".cm-tooltip": { backgroundColor: "var(--surface)", color: "var(--ink)", border: "1px solid var(--line-strong)", borderRadius: "6px", boxShadow: "var(--shadow-high)", overflow: "hidden", maxWidth: "32rem" },
  ".cm-tooltip.cm-tooltip-autocomplete > ul": { fontFamily: "var(--mono)", fontSize: "0.86rem", maxHeight: "17rem" },
  ".cm-tooltip.cm-tooltip-autocomplete > ul > li": { padding: "0.28rem 0.7rem", lineHeight: "1.4" },
  ".cm-tooltip-autocomplete > ul > li[aria-selected]": { backgroundColor: "var(--accent) !important", color: "var(--on-accent) !important" },
  ".cm-completionIcon": { display: "none" },
  ".cm-completionMatchedText": { textDecoration: "none", fontWeight: "700" },
  ".cm-completionDetail": { color: "var(--muted)", fontStyle: "normal", marginLeft: "1rem" },
  "li[aria-selected] .cm-completionDetail": { color: "var(--on-accent)" },
  ".cm-tooltip.cm-completionInfo": { padding: "0.5rem 0.7rem", fontFamily: "var(--sans)", maxWidth: "22rem" },
  ".cm-diagnostic": { fontFamily: "var(--sans)", padding: "0.4rem 0.7rem", borderLeftWidth: "4px" },
  ".cm-diagnostic-error": { borderLeftColor: "var(--bad)" },
  ".cm-lintRange-error": { backgroundImage: "none", textDecoration: "underline wavy var(--bad)", textUnderlineOffset: "3px" },
  ".cm-lintRange-warning": { backgroundImage: "none", textDecoration: "underline wavy var(--warn)", textUnderlineOffset: "3px" },
});

const colours = HighlightStyle.define([
  { tag: [tags.keyword, tags.definitionKeyword, tags.operatorKeyword], color: "var(--polly)", fontWeight: "600" },
  { tag: [tags.propertyName, tags.attributeName], color: "var(--ink)" },
  { tag: [tags.definition(tags.propertyName), tags.typeName, tags.className, tags.atom], color: "var(--accent)" },
  { tag: [tags.variableName, tags.special(tags.name)], color: "var(--opal)" },
  { tag: tags.string, color: "var(--odm)" },
  { tag: [tags.number, tags.integer, tags.float, tags.bool, tags.null], color: "var(--gen3)" },
  { tag: tags.comment, color: "var(--muted)", fontStyle: "italic" },
  { tag: [tags.punctuation, tags.bracket, tags.brace, tags.paren], color: "var(--muted)" },
]);

const parts = (label, run, changed) => [
  lineNumbers(), foldGutter(), highlightSpecialChars(), history(), drawSelection(), indentOnInput(), bracketMatching(),
  closeBrackets(), highlightActiveLine(), look, syntaxHighlighting(colours),
  // Escape, then Tab leaves the editor; Tab alone takes a suggestion or indents.
  keymap.of([
    { key: "Mod-Enter", run: () => { run(); return true; } },
    { key: "Tab", run: acceptCompletion },
    { key: "Alt-Space", run: startCompletion },
    ...closeBracketsKeymap, ...defaultKeymap.filter((one) => one.key !== "Mod-Enter"), ...historyKeymap, ...foldKeymap,
    ...completionKeymap, ...lintKeymap, indentWithTab,
  ]),
  EditorView.contentAttributes.of({ "aria-label": label, spellcheck: "false", autocapitalize: "off", translate: "no" }),
  EditorView.updateListener.of((update) => { if (update.docChanged) changed(update.state.doc.toString()); }),
];

const open = (host, text, extensions) => {
  const root = host.shadowRoot || host.attachShadow({ mode: "open" });
  const view = new EditorView({ state: EditorState.create({ doc: text, extensions }), root, parent: root });
  return {
    view,
    focus: () => view.focus(),
    text: () => view.state.doc.toString(),
    set: (next) => view.dispatch({ changes: { from: 0, to: view.state.doc.length, insert: next }, selection: { anchor: 0 } }),
    faults: () => {
      const found = [];
      forEachDiagnostic(view.state, (one) => found.push(one.message));
      return found;
    },
  };
};

const nothing = () => {};

/** Open a GraphQL editor in an element; ``schema`` takes the data of an introspection query. */
export function openQuery(host, { text = "", label = "Query", run = nothing, changed = nothing } = {}) {
  const editor = open(host, text, [...parts(label, run, changed), autocompletion({ icons: false }), graphql()]);
  return {
    ...editor,
    schema: (introspection) => updateSchema(editor.view, buildClientSchema(introspection)),
    pretty: () => editor.set(print(parse(editor.text()))),
    // Show what the server says at its place: ``places`` are {line, column, message}, counted from 1.
    mark: (places) => {
      const { doc } = editor.view.state;
      const found = places.filter((one) => one.line >= 1 && one.line <= doc.lines).map((one) => {
        const line = doc.line(one.line);
        const from = Math.min(line.to, line.from + Math.max(0, one.column - 1));
        const word = /^[\w$]+/.exec(doc.sliceString(from, line.to));
        return { from, to: Math.min(line.to, from + (word ? word[0].length : 1)), severity: "error", message: one.message };
      });
      editor.view.dispatch(setDiagnostics(editor.view.state, found));
    },
  };
}

/** Open an editor for variables: a JSON object, or nothing. */
export function openVariables(host, { text = "", label = "Variables", run = nothing, changed = nothing } = {}) {
  const check = jsonParseLinter();
  return open(host, text, [
    ...parts(label, run, changed), json(), linter((view) => (view.state.doc.toString().trim() ? check(view) : [])),
    placeholder('{"name": "value"}'),
  ]);
}
