"""Talking to the page the way a person does, and answers that wait for the test."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from playwright.async_api import expect

from llms.testing.fake_upstream import Answer, wait

if TYPE_CHECKING:
    from playwright.async_api import Locator, Page

REFUSED: Final = "Failed to load resource"
"""What the browser notes of an answer with an error status."""


def held(answer: Answer, after: int, gate: asyncio.Event) -> Answer:
    """Return an answer that stops after some steps until the gate opens."""
    return replace(answer, steps=(*answer.steps[:after], wait(gate), *answer.steps[after:]))


def field(page: Page) -> Locator:
    """Return the field in which a message is written."""
    return page.get_by_test_id("chat-input")


def answers(page: Page) -> Locator:
    """Return all answers that are shown."""
    return page.locator(".assistant-message")


def questions(page: Page) -> Locator:
    """Return all messages of the person that are shown."""
    return page.locator(".user-message .bubble")


async def send(page: Page, text: str) -> None:
    """Write a message and send it by Enter."""
    await field(page).fill(text)
    await field(page).press("Enter")


async def ask(page: Page, text: str) -> Locator:
    """Send a message and wait until its answer is complete; return the answer."""
    before = await answers(page).count()
    await send(page, text)
    await expect(answers(page)).to_have_count(before + 1)
    await complete(page)
    return answers(page).last


async def complete(page: Page) -> None:
    """Wait until nothing is being written and the last answer is kept."""
    await expect(page.get_by_test_id("cancel-button")).to_have_count(0)
    await expect(answers(page).last.get_by_role("button", name="Answer again", exact=True)).to_be_attached()


async def act(message: Locator, name: str) -> None:
    """Press a button of a message, or choose from its menu."""
    await message.hover()
    button = message.get_by_role("button", name=name, exact=True)
    if await button.count():
        await button.click()
        return
    await message.get_by_role("button", name="More", exact=True).click()
    await message.page.get_by_role("menuitem", name=name, exact=True).click()
