// Lets modules import vendored ones by name, as the page's import map does. Import this first, then import() the others.

import { readFileSync } from "node:fs";
import { register } from "node:module";

const UI = new URL("../../llms/ui/", import.meta.url);
const page = readFileSync(new URL("index.html", UI), "utf8");
const { imports } = JSON.parse(/<script type="importmap">([\s\S]*?)<\/script>/.exec(page)[1]);
const places = Object.fromEntries(Object.entries(imports).map(([name, path]) => [name, new URL(path.replace("/ui/", ""), UI).href]));

const hook = `
  const places = ${JSON.stringify(places)};
  export const resolve = (name, context, next) => (name in places ? { url: places[name], shortCircuit: true } : next(name, context));
`;
register(`data:text/javascript,${encodeURIComponent(hook)}`);
