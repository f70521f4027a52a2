// Components that are fetched when they are first rendered.

import { html, useEffect, useState } from "../view.mjs";

const AGAIN = 3000; // milliseconds until the next try, where the server is gone

// load: () => import(…); name: of the component in it. `waiting` is what stands there meanwhile.
export function lazy(load, name) {
  let [loaded, loading] = [null, null];
  const fetched = () => {
    loading ??= load().catch((error) => {
      loading = null;
      throw error;
    });
    return loading;
  };
  return function Lazy({ waiting = null, ...props }) {
    const [, renew] = useState(0);
    useEffect(() => {
      if (loaded) return undefined;
      let timer = null;
      const take = (module) => {
        loaded = module[name];
        renew((count) => count + 1);
      };
      const fetch = () => fetched().then(take, () => (timer = setTimeout(fetch, AGAIN)));
      fetch();
      return () => clearTimeout(timer);
    }, []);
    return loaded ? html`<${loaded} ...${props} />` : waiting;
  };
}

// Adds css/NAME.css to the page, once. Resolves when it counts, also where it could not be had. A module that needs a
// sheet waits for it: `await withSheet("usage")`.
export function withSheet(name) {
  const href = new URL(`../css/${name}.css`, import.meta.url).pathname;
  if (document.querySelector(`link[href="${href}"]`)) return Promise.resolve();
  return new Promise((resolve) => {
    const link = Object.assign(document.createElement("link"), { rel: "stylesheet", href, onload: resolve, onerror: resolve });
    document.head.append(link);
  });
}
