// The model that answers, as a button; it opens the list of all of them. In a chat it is that chat's own, before one it
// is the one of new chats.

import { modelsState } from "../api/models.mjs";
import { t } from "../i18n/t.mjs";
import { useThreadStore } from "../threadStore.mjs";
import { html } from "../view.mjs";
import { Icon } from "./Icon.mjs";
import { currentModel, setModel } from "./conversation.mjs";
import { picker } from "./shell.mjs";

// Opens the list beside a control. onChoose(model); selected: the id of one; isUp: above the control.
export function chooseModel(source, { onChoose, selected = null, isUp = false }) {
  picker.value = picker.peek()?.source === source ? null : { source, onChoose, selected, isUp };
}

// isUp: it stands at the lower edge of the page, so the list opens above it.
export function ModelPicker({ class: extra = "", isUp = false }) {
  const model = currentModel.value;
  const { state } = modelsState.value;
  const gone = goneModel(model, state);
  const open = ({ currentTarget }) => chooseModel(currentTarget, { onChoose: ({ id }) => setModel(id), selected: model?.id, isUp });
  return html`<button
    type="button"
    class=${`chip model-chip ${extra}`}
    data-testid="model-picker"
    aria-haspopup="dialog"
    aria-label=${`${t("model.choose")}: ${model?.name ?? t("model.none")}`}
    title=${gone ? t("model.gone", { model: gone }) : (model?.id ?? t("model.choose"))}
    onClick=${open}
  >
    ${(gone || state === "failed") && html`<${Icon} name="triangle-alert" class="small" />`}
    <span class="truncate">${model?.name ?? (state === "reading" || state === "unread" ? t("app.loading") : t("model.choose"))}</span>
    ${model?.label && model.label !== model.name && html`<span class="badge">${model.label}</span>`}
    <${Icon} name="chevron-down" class="small" />
  </button>`;
}

// The id of the model that the chat had, where it is not served any more and another one answers.
function goneModel(model, state) {
  const wanted = useThreadStore().current.value?.model;
  return state === "read" && wanted && wanted !== model?.id ? wanted : null;
}
