"""How fast the chat opens a long conversation, and lists and searches many."""

from __future__ import annotations

from typing import Any, Final

from playwright.async_api import Browser, Page

from benchmarks.ui.answers import tokens

MESSAGES: Final = 300
CHATS: Final = 1000
_SIZE: Final = {"width": 1280, "height": 800}
_LENGTH: Final = 250
_STORE: Final = """async (library) => {
  const { imports } = JSON.parse(document.querySelector("script[type=importmap]").textContent);
  const store = (await import(imports.idb.replace("vendor/idb.mjs", "threadStore.mjs"))).useThreadStore();
  globalThis.store = store;
  await store.ready;
  await store.importThreads(new File([JSON.stringify(library)], "chats.json"));
}"""
_TIMED: Final = """async ([act, reached]) => {
  const drawn = () => new Promise((done) => requestAnimationFrame(done));
  const [begin, isReached] = [new Function(act), new Function(`return ${reached}`)];
  const start = performance.now();
  begin();
  while (!isReached()) await drawn();
  await drawn();
  return performance.now() - start;
}"""
_TYPE: Final = """const field = document.querySelector(".sidebar input[type=search]");
field.focus(); field.value = "%s"; field.dispatchEvent(new Event("input", { bubbles: true }));"""
_ROWS: Final = 'document.querySelectorAll(".sidebar .thread").length'


async def measure(browser: Browser, address: str) -> dict[str, float]:
    """Return milliseconds by what was done."""
    context = await browser.new_context(viewport=_SIZE, bypass_csp=True)  # type: ignore[arg-type]
    try:
        page = await context.new_page()
        await page.goto(f"{address}/chat")
        await page.wait_for_selector(".starter")
        await page.evaluate(_STORE, _library())
        await page.wait_for_function(f"() => {_ROWS} === {CHATS}")
        return {
            f"open {MESSAGES} messages": await _opened(page),
            f"list {CHATS} chats": await _listed(page),
            f"search {CHATS} chats": await _searched(page),
        }
    finally:
        await context.close()


async def _opened(page: Page) -> float:
    last = f'document.querySelector(".turns > :last-child")?.textContent.includes("end of message {MESSAGES}")'
    return await _timed(page, 'location.hash = "#/chat/long"', last)


async def _listed(page: Page) -> float:
    # The first search builds the index in idle moments; what is measured is what comes after.
    await page.evaluate("() => void store.prepareSearch()")
    await page.wait_for_function("() => store.searchProgress.value === 1", timeout=60_000)
    await page.evaluate(f"() => {{ {_TYPE % 'nothing has this'} }}")
    await page.wait_for_function(f"() => {_ROWS} === 0", timeout=60_000)
    return await _timed(page, _TYPE % "", f"{_ROWS} === {CHATS}")


async def _searched(page: Page) -> float:
    return await _timed(page, _TYPE % "needle", f"{_ROWS} === 1")


async def _timed(page: Page, act: str, reached: str) -> float:
    return float(await page.evaluate(_TIMED, [act, reached]))


def _library() -> dict[str, Any]:
    answer = "".join(tokens("mixed", _LENGTH))
    long = [_message(number, answer) for number in range(1, MESSAGES + 1)]
    threads = [{"id": "long", "title": "Long", "updatedAt": CHATS + 1, "messages": long}]
    for number in range(1, CHATS):
        text = f"{'A needle in ' if number == CHATS // 2 else ''}chat {number}. {answer[:400]}"
        threads.append({"title": f"Chat {number}", "updatedAt": number, "messages": [_message(1, text)]})
    return {"format": "llms-threads", "version": 1, "threads": threads}


def _message(number: int, text: str) -> dict[str, Any]:
    role = "assistant" if number % 2 == 0 else "user"
    parts = [{"type": "text", "text": f"{text}\n\nThe end of message {number}"}]
    return {"id": f"m{number}", "parentId": f"m{number - 1}", "role": role, "model": "m", "parts": parts}
