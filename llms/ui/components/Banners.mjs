// What concerns the whole page: a server that is gone, a browser that keeps nothing more.

import { html, useEffect, useRef } from "../view.mjs";
import { t } from "../i18n/t.mjs";
import { modelsState, refreshModels } from "../api/models.mjs";
import { useThreadStore } from "../threadStore.mjs";
import { Icon } from "./Icon.mjs";
import { notify } from "./notices.mjs";

const AGAIN = 5000; // milliseconds between two looks for a server that is gone

export function Banners() {
  const { problem } = useThreadStore();
  return html`${useIsOffline() && html`<${Banner} icon="wifi-off" text=${t("banner.offline")} />`}
  ${problem.value && html`<${Banner} icon="hard-drive" text=${`${t("error.noSpace")}. ${t("error.noSpaceHint")}`} />`}`;
}

function Banner({ icon, text }) {
  return html`<div class="banner" role="status"><${Icon} name=${icon} class="small" /><span>${text}</span></div>`;
}

// The list of models tells; while the server is gone it is asked again and again.
function useIsOffline() {
  const { state, problem } = modelsState.value;
  const was = useRef(false);
  const isOffline = state === "failed" ? problem.type === "NETWORK" : was.current && state === "reading";
  useEffect(() => {
    if (was.current && state === "read") notify(t("banner.back"), { icon: "check" });
    was.current = isOffline;
    if (state !== "failed" || !isOffline) return undefined;
    const timer = setTimeout(refreshModels, AGAIN);
    addEventListener("online", refreshModels);
    return () => {
      clearTimeout(timer);
      removeEventListener("online", refreshModels);
    };
  }, [state, problem]);
  return isOffline;
}
