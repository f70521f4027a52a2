// A field over a list: the focus stays in the field, arrows move through the list, Enter chooses.

import { useId, useLayoutEffect, useState } from "../view.mjs";

const STEPS = { ArrowDown: 1, ArrowUp: -1, PageDown: 8, PageUp: -8 };

// count: of options; onChoose(index, event). first: the option that is active whenever `renewed` changes.
// Returns {active, field, list, option(index)}: attributes for the three.
export function useListbox({ count, onChoose, renewed, first = 0 }) {
  const id = useId();
  const [state, setState] = useState({ active: first, renewed });
  const active = Math.min(state.renewed === renewed ? state.active : first, count - 1);
  const activate = (index) => setState({ active: index, renewed });
  useLayoutEffect(() => {
    document.getElementById(`${id}-${active}`)?.scrollIntoView({ block: "nearest" });
  }, [active, renewed]);
  const press = (event) => {
    if (event.isComposing) return;
    const to = stepped(event.key, active, count);
    if (to !== null) activate(to);
    else if (event.key === "Enter" && active >= 0) onChoose(active, event);
    else return;
    event.preventDefault();
  };
  return {
    active,
    field: {
      role: "combobox",
      "aria-expanded": "true",
      "aria-autocomplete": "list",
      "aria-controls": `${id}-list`,
      "aria-activedescendant": active >= 0 ? `${id}-${active}` : undefined,
      autocomplete: "off",
      spellcheck: false,
      onKeyDown: press,
    },
    list: { id: `${id}-list`, role: "listbox", tabindex: "-1" },
    option: (index) => ({
      id: `${id}-${index}`,
      role: "option",
      "aria-selected": String(index === active),
      onPointerMove: () => index !== active && activate(index),
      onPointerDown: (event) => event.preventDefault(), // the field keeps the focus
      onClick: (event) => onChoose(index, event),
    }),
  };
}

function stepped(key, active, count) {
  if (!(key in STEPS) || count === 0) return null;
  const to = active + STEPS[key];
  if (Math.abs(STEPS[key]) > 1) return Math.max(0, Math.min(count - 1, to));
  return (to + count) % count;
}
