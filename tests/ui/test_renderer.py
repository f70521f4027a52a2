"""The renderer of answers in a real browser, alone on a page with the chat's own policy."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any, Final

import pytest
import pytest_asyncio
from playwright.async_api import Page

from tests.ui.conftest import Server, Visit
from tests.ui.empty_page import empty_page

HERE: Final = Path(__file__).parent
PAYLOADS: Final = "hostile_payloads.mjs"
START: Final = """async () => {
  const {MarkdownView} = await import(ui + 'markdown/render.mjs');
  globalThis.show = (text, options = {}) => {
    const element = document.querySelector('main').appendChild(document.createElement('article'));
    const view = new MarkdownView(element, options);
    if (text !== undefined) view.set(text);
    return {view, element};
  };
  globalThis.frame = () => new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve)));
  // Colours and formulas come when they are seen, so they are left out.
  const plain = (element) => {
    const copy = element.cloneNode(true);
    for (const code of copy.querySelectorAll('code')) code.replaceChildren(code.textContent);
    for (const formula of copy.querySelectorAll('.md-math')) formula.replaceChildren();
    for (const node of copy.querySelectorAll('[data-state]')) node.removeAttribute('data-state');
    return copy;
  };
  globalThis.isSame = (one, other) => plain(one).isEqualNode(plain(other));
}"""
DOCUMENT: Final = r"""# One of **each**

A paragraph with `code`, [a link](https://example.test/a?b=1&amp;c=2), $x_1^2$ and \(y\).
مرحبا بالعالم

1. first
   ```python
   print("in a list")
   ```
2. second

   loose

- [x] done
- [ ] open

| a | b |
|:--|--:|
| 1 | 2<br>3 |

> quoted
> > twice

```js
const answer = 42; // "quoted"
```

$$
\sum_{i=1}^n \frac{1}{i} = \pmb{H}
+ \sqrt[3]{x}
$$

<details><summary>raw</summary></details>

A note[^1], a late [definition].

[^1]: here
[definition]: https://example.test/late

---
The end.
"""


@pytest_asyncio.fixture(loop_scope="session")
async def stage(server: Server, visit: Visit) -> AsyncGenerator[Page, None]:
    """Open a page with nothing but `show(text)`, `frame()` and `isSame(element, other)`."""
    async with empty_page(server, visit, files={PAYLOADS: HERE / PAYLOADS}) as page:
        await page.evaluate(START)
        yield page


@pytest.mark.parametrize("size", [1, 7, 60])
async def test_a_text_in_pieces_looks_as_at_once(stage: Page, size: int) -> None:
    seen: dict[str, Any] = await stage.evaluate(
        """async ([text, size]) => {
          const {view, element} = show();
          for (let at = 0; at < text.length; at += size) {
            view.push(text.slice(at, at + size));
            if (at % (9 * size) === 0) await frame();
          }
          view.end();
          return {isSame: isSame(element, show(text).element), tables: element.querySelectorAll('table').length};
        }""",
        [DOCUMENT, size],
    )
    assert seen == {"isSame": True, "tables": 1}


async def test_code_gets_its_colours_when_it_comes_into_view(stage: Page) -> None:
    far_below = "line\n\n" * 400 + "```python\nNone\n```"
    await stage.evaluate("(text) => void show('```js\\nlet a = 1;\\n```\\n\\n' + text)", far_below)
    await stage.wait_for_selector(".hljs-keyword")
    assert await stage.locator(".hljs-literal").count() == 0
    await stage.locator(".md-code").last.scroll_into_view_if_needed()
    await stage.wait_for_selector(".hljs-literal")


async def test_formulas_are_mathml_that_the_browser_lays_out(stage: Page) -> None:
    await stage.evaluate("(text) => void show(text)", DOCUMENT)
    await stage.wait_for_selector("math mroot")
    sizes: dict[str, Any] = await stage.evaluate(
        """() => ({
          fraction: document.querySelector('mfrac').getBoundingClientRect().height,
          letter: document.querySelector('mi').getBoundingClientRect().height,
          faulty: document.querySelectorAll('[data-state=faulty]').length,
        })"""
    )
    assert sizes["fraction"] > 1.3 * sizes["letter"]
    assert sizes["faulty"] == 0


async def test_code_can_be_copied_wrapped_and_saved(stage: Page) -> None:
    await stage.context.grant_permissions(["clipboard-read", "clipboard-write"])
    await stage.evaluate("() => void show('```rust\\nlet a = \"<b>\";\\n\\n  end\\n```')")
    await stage.click(".md-code-copy")
    await stage.wait_for_selector(".md-code-copy[data-state=copied]")
    assert await stage.evaluate("navigator.clipboard.readText()") == 'let a = "<b>";\n\n  end'

    await stage.click(".md-code-wrap")
    assert await stage.locator(".md-code[data-wrap] .md-code-wrap[aria-pressed=true]").count() == 1

    async with stage.expect_download() as download:
        await stage.click(".md-code-download")
    saved = await download.value
    assert saved.suggested_filename == "code.rs"
    assert (await saved.path()).read_text() == 'let a = "<b>";\n\n  end\n'


async def test_a_footnote_is_shown_and_focused(stage: Page) -> None:
    await stage.evaluate("() => void show('see[^1]\\n\\n' + 'line\\n\\n'.repeat(200) + '[^1]: the note', {id: 'm1'})")
    await stage.click(".md-footnote-link")
    assert await stage.evaluate("document.activeElement.id") == "m1-1"
    assert await stage.locator(".md-footnote").is_visible()
    assert await stage.evaluate("location.hash") == ""


async def test_an_open_fence_keeps_its_buttons_and_what_is_selected(stage: Page) -> None:
    kept: dict[str, Any] = await stage.evaluate(
        """async () => {
          const {view, element} = show();
          view.push('```js\\nselected\\n');
          await frame();
          const button = element.querySelector('.md-code-copy');
          button.focus();
          const code = element.querySelector('code');
          getSelection().setBaseAndExtent(code.firstChild, 0, code.firstChild, 8);
          for (let line = 0; line < 20; line++) {
            view.push(`let x${line} = ${line};\\n`);
            await frame();
          }
          const selected = String(getSelection());
          view.push('```\\n\\nnext');
          await frame();
          return {selected, isFocused: document.activeElement === button, text: code.textContent.length};
        }"""
    )
    assert kept["selected"] == "selected"
    assert kept["isFocused"]
    assert kept["text"] > 200


async def test_nothing_comes_of_hostile_texts(stage: Page) -> None:
    dialogs: list[str] = []
    stage.on("dialog", lambda dialog: dialogs.append(dialog.message))
    found: list[str] = await stage.evaluate(
        """async () => {
          const {PAYLOADS} = await import('/stage/hostile_payloads.mjs');
          for (const text of Object.values(PAYLOADS)) {
            show(text);
            const {view} = show();
            for (const letter of text) view.push(letter);
            await frame();
            view.end();
          }
          await new Promise((resolve) => setTimeout(resolve, 300));
          const nodes = [...document.querySelectorAll('main *')];
          const bad = nodes.filter((node) =>
            node.matches('script,iframe,form,svg,style,link,meta,base,object,embed,template,details') ||
            [...node.attributes].some(({name, value}) => /^on/.test(name) || /^\\s*javascript:/i.test(value)));
          return bad.map((node) => node.outerHTML);
        }"""
    )
    assert found == []
    assert dialogs == []
    # The page watches itself: a request to evil.test or a violation of the policy fails this test at its end.


async def test_a_fast_stream_is_drawn_while_it_comes(stage: Page) -> None:
    figures: dict[str, Any] = await stage.evaluate(
        """async (text) => {
          let renders = 0;
          const onRender = () => scrollTo(0, ++renders && document.documentElement.scrollHeight);
          const {view, element} = show(undefined, {onRender});
          const start = performance.now();
          for (let at = 0; at < text.length; ) {
            const due = Math.min(text.length, Math.floor((performance.now() - start) * 4));
            view.push(text.slice(at, due));
            at = Math.max(at, due);
            await new Promise((resolve) => setTimeout(resolve, 4));
          }
          view.end();
          await frame();
          return {letters: element.textContent.length, renders};
        }""",
        DOCUMENT.replace("[definition]: https://example.test/late\n", "") * 25,
    )
    assert figures["letters"] > 6000
    assert figures["renders"] > 20
