// Components that are fetched when they are first rendered.

import { html, signal, useEffect, useState } from "../view.mjs";

const AGAIN = 3000; // milliseconds until the next try, where the server is gone
const BUILD = new URL("..", import.meta.url).pathname;

// True once a module was gone because the server has newer ones: then only loading the page anew helps.
export const isOutdated = signal(false);

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
      const missed = async () => {
        await lookForUpdate();
        if (!isOutdated.peek()) timer = setTimeout(fetch, AGAIN);
      };
      const fetch = () => fetched().then(take, missed);
      fetch();
      return () => clearTimeout(timer);
    }, []);
    return loaded ? html`<${loaded} ...${props} />` : waiting;
  };
}

// To be called where a module could not be had: looks whether the server's page is of another build than this one.
export async function lookForUpdate() {
  const page = await fetch("/", { cache: "no-store" }).then((response) => (response.ok ? response.text() : ""), () => "");
  if (page.includes("/ui/") && !page.includes(`"${BUILD}`)) isOutdated.value = true;
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
