// What can be done with an answer while it is written: its link follows it on another device.

import { html } from "../view.mjs";
import { t } from "../i18n/t.mjs";
import { MessageActions } from "./MessageActions.mjs";
import { copyText } from "./copying.mjs";
import { notify } from "./notices.mjs";
import { hrefOfStream } from "./places.mjs";

export function LiveActions({ run }) {
  const { streamId } = run;
  if (!streamId || !run.isActive) return null;
  return html`<${MessageActions} actions=${[]} more=${[{ name: "message.followLink", icon: "link", run: () => copyLink(streamId) }]} />`;
}

async function copyLink(streamId) {
  const link = new URL(hrefOfStream(streamId), location.href).href;
  await copyText(link).then(
    () => notify(t("toast.copied"), { icon: "check" }),
    () => notify(t("toast.copyFailed"), { icon: "circle-alert" }),
  );
}
