"""Where a message is written: keys, drafts, attachments, and how the conversation moves when it is sent."""

from __future__ import annotations

import asyncio
import base64
import re
import struct
import zlib
from typing import TYPE_CHECKING, Any

from playwright.async_api import expect

from llms.testing.fake_upstream import reply, text_stream
from tests.ui.conftest import PHONE, Server, Visit
from tests.ui.talk import answers, ask, complete, field, held, questions, send

if TYPE_CHECKING:
    from playwright.async_api import FileChooser, Page

LINES = "\n\n".join(f"Paragraph {number} of a long answer." for number in range(60))
PRESSED = """(field, init) => field.dispatchEvent(
  new KeyboardEvent('keydown', {key: 'Enter', bubbles: true, cancelable: true, ...init}))"""
TWICE = """(field) => {
  const init = {key: 'Enter', bubbles: true, cancelable: true};
  for (let turn = 0; turn < 2; turn += 1) field.dispatchEvent(new KeyboardEvent('keydown', init));
}"""
PASTE = """(field, text) => {
  const data = new DataTransfer();
  data.setData('text/plain', text);
  return field.dispatchEvent(new ClipboardEvent('paste', {clipboardData: data, bubbles: true, cancelable: true}));
}"""
SIZES = """all => all.map((each) => {
  const {width, height} = each.getBoundingClientRect();
  return [each.ariaLabel ?? each.textContent, width, height];
})"""
DROP = """([name, type, text]) => {
  const data = new DataTransfer();
  data.items.add(new File([text], name, {type}));
  const event = (kind) => new DragEvent(kind, {dataTransfer: data, bubbles: true, cancelable: true});
  document.body.dispatchEvent(event('dragenter'));
  const over = setInterval(() => document.body.dispatchEvent(event('dragover')), 50);
  globalThis.drop = () => {
    clearInterval(over);
    document.body.dispatchEvent(event('drop'));
  };
}"""


def png(width: int, height: int) -> bytes:
    """Return a picture of one colour."""

    def part(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    rows = zlib.compress((b"\0" + b"\x40\x80\xc0" * width) * height)
    return b"\x89PNG\r\n\x1a\n" + part(b"IHDR", head) + part(b"IDAT", rows) + part(b"IEND", b"")


def pdf(text: str) -> bytes:
    """Return a page that says something, packed as usual."""
    content = zlib.compress(f"BT /F1 12 Tf 72 700 Td ({text}) Tj ET".encode("latin-1"))
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> >> >>",
        b"<< /Length %d /Filter /FlateDecode >>\nstream\n%s\nendstream" % (len(content), content),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
    ]
    body = b"".join(b"%d 0 obj\n%s\nendobj\n" % (number, each) for number, each in enumerate(objects, 1))
    return b"%PDF-1.4\n" + body + b"trailer << /Root 1 0 R >>\n%%EOF"


async def attach(page: Page, name: str, mime: str, content: bytes) -> None:
    """Choose a file by the button."""
    async with page.expect_file_chooser() as choosing:
        await page.get_by_role("button", name="Attach files").click()
    chooser: FileChooser = await choosing.value
    await chooser.set_files({"name": name, "mimeType": mime, "buffer": content})


def content_of(server: Server) -> Any:
    """Return what the last request says of the person."""
    return server.upstream.chats[-1].json["messages"][-1]["content"]


# -- keys ---------------------------------------------------------------------------------------------------


async def test_enter_sends_and_shift_enter_breaks_the_line(page: Page, server: Server) -> None:
    await field(page).press_sequentially("One")
    await field(page).press("Shift+Enter")
    await field(page).press_sequentially("Two")
    await field(page).press("Enter")
    await expect(answers(page)).to_have_text(re.compile("Hello world"))
    assert content_of(server) == "One\nTwo"


async def test_the_other_way_round_where_somebody_wants_that(server: Server, visit: Visit) -> None:
    async with visit(server.proxy, settings={"sendOnEnter": False}) as page:
        await field(page).press_sequentially("One")
        await field(page).press("Enter")
        await field(page).press_sequentially("Two")
        await field(page).press("Control+Enter")
        await expect(answers(page)).to_have_text(re.compile("Hello world"))
    assert content_of(server) == "One\nTwo"


async def test_enter_that_ends_a_composition_sends_nothing(page: Page, server: Server) -> None:
    await field(page).fill("にほん")
    await field(page).evaluate(PRESSED, {"isComposing": True})
    await field(page).evaluate(PRESSED, {"keyCode": 229})
    await expect(field(page)).to_have_value("にほん")
    assert not server.upstream.chats
    await field(page).evaluate(PRESSED, {})
    await expect(answers(page)).to_have_text(re.compile("Hello world"))
    assert content_of(server) == "にほん"


async def test_an_empty_message_is_not_sent(page: Page, server: Server) -> None:
    await expect(page.get_by_test_id("send-button")).to_be_disabled()
    await field(page).fill("   \n ")
    await expect(page.get_by_test_id("send-button")).to_be_disabled()
    await field(page).press("Enter")
    assert not server.upstream.chats


async def test_two_messages_in_one_breath_are_asked_one_after_the_other(page: Page, server: Server) -> None:
    server.upstream.script(reply("First."), reply("Second."))
    await field(page).fill("One")
    await field(page).evaluate(TWICE)
    await send(page, "Two")
    await expect(answers(page).locator(".markdown")).to_have_text(["First.", "Second."])
    assert [len(seen.json["messages"]) for seen in server.upstream.chats] == [1, 3]


async def test_a_chat_keeps_the_model_that_it_began_with(page: Page, server: Server) -> None:
    await ask(page, "Hello")
    await page.get_by_role("link", name="New chat").first.click()
    await expect(questions(page)).to_have_count(0)
    await page.get_by_test_id("model-picker").click()
    await page.get_by_role("option", name="fake-model").click()
    await ask(page, "Hello again")
    assert server.upstream.chats[-1].json["model"] == "fake-model"
    await expect(page.get_by_test_id("model-picker")).to_contain_text("fake-model")
    await page.get_by_role("link", name="Hello", exact=True).click()
    await expect(page.get_by_test_id("model-picker")).to_have_text("m")


async def test_starters_fill_the_field(page: Page) -> None:
    await expect(page.locator(".starter")).to_have_count(4)
    await page.get_by_role("button", name="Improve a text").click()
    await expect(field(page)).to_have_value("Make this text clearer and shorter, and keep its voice:\n\n")
    await expect(field(page)).to_be_focused()


# -- drafts -------------------------------------------------------------------------------------------------


async def test_drafts_survive_a_reload_each_in_its_chat(page: Page) -> None:
    await ask(page, "First")
    await field(page).fill("not sent yet")
    await page.get_by_role("link", name="New chat").first.click()
    await expect(field(page)).to_have_value("")
    await field(page).fill("another beginning")
    await page.wait_for_timeout(600)  # a draft is kept after a moment without typing
    await page.reload()
    await expect(field(page)).to_have_value("another beginning")
    await page.get_by_role("link", name="First").click()
    await expect(field(page)).to_have_value("not sent yet")
    await field(page).press("Enter")
    await expect(answers(page)).to_have_count(2)
    await complete(page)
    await page.reload()
    await expect(questions(page)).to_have_count(2)
    await expect(field(page)).to_have_value("")


async def test_what_waits_for_its_turn_survives_a_reload(page: Page, server: Server) -> None:
    gate = asyncio.Event()
    server.upstream.script(held(text_stream("One two three"), 2, gate))
    await send(page, "Go")
    await expect(page.get_by_test_id("cancel-button")).to_be_visible()
    await send(page, "And then?")
    await expect(page.locator(".queued-message")).to_contain_text("And then?")
    await field(page).fill("And last")
    await page.wait_for_timeout(600)  # a draft is kept after a moment without typing
    await page.reload()
    await expect(field(page)).to_have_value("And then?\n\nAnd last")


# -- attachments --------------------------------------------------------------------------------------------


async def test_a_picture_is_shown_and_sent(page: Page, server: Server) -> None:
    await attach(page, "blue.png", "image/png", png(8, 4))
    await expect(page.locator(".composer .attachment img")).to_have_attribute("alt", "blue.png")
    await ask(page, "What is this?")
    await expect(page.locator(".user-message .attachment img")).to_be_visible()
    picture, text = content_of(server)
    assert picture["image_url"]["url"].startswith("data:image/png;base64,")
    assert text == {"type": "text", "text": "What is this?"}
    await page.reload()
    await expect(page.locator(".user-message .attachment img")).to_be_visible()


async def test_a_model_without_eyes_is_warned_of(server: Server, visit: Visit) -> None:
    server.upstream.models([{"id": "real-model", "object": "model", "capabilities": ["chat"]}])
    async with visit(server.proxy) as page:
        await attach(page, "blue.png", "image/png", png(8, 4))
        await expect(page.locator(".composer .attachment.warn")).to_have_attribute("title", "m reads no images")
        await page.get_by_role("button", name="Remove blue.png").click()
        await expect(page.locator(".composer .attachment")).to_have_count(0)


async def test_a_text_file_by_dropping_it(page: Page, server: Server) -> None:
    await page.evaluate(DROP, ["notes.md", "text/markdown", "# Grüße"])
    await expect(page.locator(".drop-target")).to_be_visible()
    await page.evaluate("drop()")
    await expect(page.locator(".composer .attachment")).to_contain_text("notes.md")
    await expect(page.locator(".drop-target")).to_have_count(0)
    await ask(page, "Summarise")
    assert "# Grüße" in content_of(server)
    assert "notes.md" in content_of(server)


async def test_a_pdf_is_read(page: Page, server: Server) -> None:
    await attach(page, "report.pdf", "application/pdf", pdf("The answer is 42"))
    await expect(page.locator(".composer .attachment")).to_contain_text("report.pdf")
    await ask(page, "What is the answer?")
    assert "The answer is 42" in content_of(server)


async def test_what_cannot_be_read_is_told(page: Page) -> None:
    await attach(page, "data.bin", "application/octet-stream", bytes(range(256)))
    await expect(page.locator(".toast")).to_contain_text("data.bin could not be read")
    await expect(page.locator(".composer .attachment")).to_have_count(0)


async def test_a_long_paste_becomes_an_attachment(page: Page, server: Server) -> None:
    assert await field(page).evaluate(PASTE, "short")
    await expect(page.locator(".composer .attachment")).to_have_count(0)
    assert not await field(page).evaluate(PASTE, "word " * 1000)
    await expect(page.locator(".composer .attachment")).to_contain_text("Pasted text")
    await page.get_by_test_id("send-button").click()
    await expect(answers(page)).to_have_text(re.compile("Hello world"))
    assert "word word" in content_of(server)


# -- how it moves -------------------------------------------------------------------------------------------


async def test_a_question_stands_at_the_top_and_its_answer_has_room(page: Page, server: Server) -> None:
    server.upstream.script(reply(LINES), reply("Short."))
    await ask(page, "Long?")
    await ask(page, "Short?")
    top = await page.locator(".user-message").last.bounding_box()
    transcript = await page.locator(".transcript").bounding_box()
    assert top
    assert transcript
    assert 0 <= top["y"] - transcript["y"] < 40


async def test_the_end_is_followed_until_somebody_looks_elsewhere(page: Page, server: Server) -> None:
    gate, rest = asyncio.Event(), asyncio.Event()
    server.upstream.script(held(held(text_stream(LINES, chunks=60), 50, rest), 30, gate))
    await send(page, "Go on")
    await expect(answers(page)).to_contain_text("Paragraph 25")
    assert await distance(page) < 2
    gate.set()
    await expect(answers(page)).to_contain_text("Paragraph 44")
    assert await distance(page) < 2
    await page.locator(".transcript").hover()
    await page.mouse.wheel(0, -400)
    jump = page.get_by_role("button", name="New text below")
    await expect(jump).to_be_visible()
    away = await distance(page)
    rest.set()
    await complete(page)
    assert await distance(page) >= away
    await page.get_by_role("button", name="To the end").click()
    await expect(jump).to_have_count(0)
    assert await distance(page) < 2


async def distance(page: Page) -> float:
    """Return how many pixels below are not in view, once the page has come to rest."""
    await page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    pixels: float = await page.locator(".transcript").evaluate(
        "({scrollHeight, clientHeight, scrollTop}) => scrollHeight - clientHeight - scrollTop"
    )
    return pixels


async def test_sound_is_sent_as_sound_and_can_be_heard_again(page: Page, server: Server) -> None:
    silence = b"RIFF$\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0@\x1f\0\0@\x1f\0\0\x01\0\x08\0data\0\0\0\0"
    async with page.expect_file_chooser() as waiting:
        await page.get_by_role("button", name="Attach files", exact=True).click()
    await (await waiting.value).set_files([{"name": "note.wav", "mimeType": "audio/wav", "buffer": silence}])
    await expect(page.locator(".composer .attachment")).to_contain_text("note.wav")
    await ask(page, "What do you hear?")
    sound, text = server.upstream.chats[0].json["messages"][0]["content"]
    assert sound["input_audio"] == {"data": base64.b64encode(silence).decode(), "format": "wav"}
    assert text == {"type": "text", "text": "What do you hear?"}
    await expect(page.locator(".user-message audio[controls][src^='blob:']")).to_have_attribute(
        "aria-label", "note.wav"
    )


async def test_the_ring_tells_how_full_the_context_is(server: Server, visit: Visit) -> None:
    server.upstream.models([{"id": "real-model", "object": "model", "context_window": 24}])
    async with visit(server.proxy) as page:
        await ask(page, "Hello")
        ring = page.get_by_role("button", name="12 of 24 tokens, 50% full")
        await expect(ring).to_be_visible()
        await ring.click()
        await expect(page.locator(".popover:popover-open")).to_contain_text("12 / 24")


async def test_on_a_phone_everything_can_be_touched(server: Server, visit: Visit) -> None:
    async with visit(server.proxy, size=PHONE, touch=True) as page:
        await expect(page.locator(".starter").first).to_be_visible()
        for place in (".topbar, .transcript, .below, .dock", ".topbar, .transcript, .dock"):
            sizes = await page.locator(place).locator("button:visible").evaluate_all(SIZES)
            assert sizes
            assert [size for size in sizes if min(size[1:]) < 44] == []
            await ask(page, "Hello")
        assert await page.evaluate("document.documentElement.scrollWidth") <= PHONE[0]
