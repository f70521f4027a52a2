// Presets, where they meet the open conversation.

import { t } from "../i18n/t.mjs";
import { useThreadStore } from "../threadStore.mjs";
import { fieldsOf } from "../store/presets.mjs";
import { fresh } from "./conversation.mjs";
import { notify } from "./notices.mjs";

// Gives the open chat what the preset says; before a chat has begun, the one that will.
export async function applyPreset(preset) {
  const store = useThreadStore();
  const id = store.currentId.peek();
  if (id) await store.applyPreset(id, preset.id);
  else fresh.value = { ...fresh.peek(), ...fieldsOf(preset) };
  notify(t("preset.applied", { name: preset.name }), { icon: "check" });
}
