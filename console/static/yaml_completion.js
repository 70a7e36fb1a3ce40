// What may stand at a place of a rule file, by its JSON Schema and the indentation above.

const KEY = /^(\s*)((?:- +)*)("?[\w.-]+"?)\s*:/;

// The keys that enclose a position, outermost first; "[]" stands for an item of a list.
export const pathAt = (lines, row, column) => {
  const path = [];
  let limit = column;
  let isItem = false;
  const opened = /^(\s*)((?:- +)+)/.exec(lines[row]);
  if (opened && opened[0].length <= column) {
    path.unshift("[]");
    limit = opened[1].length;
    isItem = true;
  }
  for (let i = row - 1; i >= 0 && (limit > 0 || isItem); i -= 1) {
    const line = lines[i];
    if (!line.trim() || line.trim().startsWith("#")) continue;
    const found = KEY.exec(line);
    const dash = /^(\s*)- /.exec(line);
    const keyColumn = found ? found[1].length + found[2].length : Infinity;
    if (found && (keyColumn < limit || (isItem && keyColumn === limit && !dash))) {
      path.unshift(found[3].replaceAll('"', ""));
      limit = keyColumn;
      isItem = false;
    }
    if (dash && dash[1].length < limit) {
      path.unshift("[]");
      limit = dash[1].length;
      isItem = true;
    }
  }
  return path;
};

const plainSchemas = (schema, root, seen = new Set()) => {
  if (!schema || seen.has(schema)) return [];
  seen.add(schema);
  const found = [schema];
  if (schema.$ref) {
    const target = schema.$ref.slice(2).split("/").reduce((at, part) => at?.[part], root);
    found.push(...plainSchemas(target, root, seen));
  }
  for (const each of [...(schema.anyOf ?? []), ...(schema.oneOf ?? []), ...(schema.allOf ?? [])]) {
    found.push(...plainSchemas(each, root, seen));
  }
  return found;
};

const schemasAt = (root, path) => {
  let current = plainSchemas(root, root);
  for (const step of path) {
    const next = current.map((schema) => {
      if (step === "[]") return schema.items;
      const other = schema.additionalProperties;
      return schema.properties?.[step] ?? (typeof other === "object" ? other : undefined);
    });
    current = next.filter(Boolean).flatMap((schema) => plainSchemas(schema, root));
  }
  return current;
};

const keysOf = (schemas) => {
  const keys = new Map();
  for (const schema of schemas) {
    for (const [name, about] of Object.entries(schema.properties ?? {})) {
      if (!keys.has(name)) keys.set(name, about.description ?? "");
    }
  }
  return [...keys].map(([label, detail]) => ({
    label, type: "property", apply: `${label}: `, info: detail || undefined,
  }));
};

const valuesOf = (schemas) => {
  const values = new Set();
  for (const schema of schemas) {
    for (const value of schema.enum ?? []) values.add(String(value));
    if (schema.const !== undefined) values.add(String(schema.const));
    if (schema.type === "boolean") values.add("true").add("false");
  }
  return [...values].map((label) => ({label, type: "enum"}));
};

// A source of completions for CodeMirror; `schema` gives the schema, once it is there.
export const completeYaml = (schema) => async (context) => {
  const line = context.state.doc.lineAt(context.pos);
  const before = line.text.slice(0, context.pos - line.from);
  const key = /^(\s*(?:- +)*)([\w.-]*)$/.exec(before);
  const value = /^(\s*(?:- +)*)([\w.-]+):\s+(\S*)$/.exec(before);
  if ((!key && !value) || (!context.explicit && !(key?.[2] || value))) return null;
  const root = await schema();
  if (!root) return null;
  const lines = context.state.doc.toString().split("\n");
  const path = pathAt(lines, line.number - 1, (key ?? value)[1].length);
  if (value) {
    const options = valuesOf(schemasAt(root, [...path, value[2]]));
    return options.length ? {from: context.pos - value[3].length, options} : null;
  }
  const schemas = schemasAt(root, path);
  const options = [...keysOf(schemas), ...(path.at(-1) === "[]" ? valuesOf(schemas) : [])];
  return options.length ? {from: context.pos - key[2].length, options} : null;
};
