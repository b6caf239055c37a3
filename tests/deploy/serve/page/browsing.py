"""What a person does with the page, and waits for."""

from __future__ import annotations

import base64
from typing import Any

import pytest


def drop(page: Any, *files: tuple[str, bytes]) -> None:
    """Files dropped onto the page, as a browser tells of it."""
    given = [(name, base64.b64encode(content).decode()) for name, content in files]
    page.evaluate(
        """(given) => {
          const transfer = new DataTransfer();
          for (const [name, content] of given) {
            const bytes = Uint8Array.from(atob(content), (each) => each.charCodeAt(0));
            transfer.items.add(new File([bytes], name));
          }
          const drop = new DragEvent("drop", { bubbles: true, cancelable: true, dataTransfer: transfer });
          document.querySelector("main").dispatchEvent(drop);
        }""",
        given,
    )


def until(page: Any, expression: str) -> None:
    """Playwright's own way to wait for an expression is forbidden by the page's policy, as it should be."""
    for _ in range(2000):
        if page.evaluate(expression):
            return
        page.wait_for_timeout(10)
    pytest.fail(f"never: {expression}")


def wait_until_done(page: Any) -> None:
    page.wait_for_selector("body[data-status=done] .class")


def pixel(page: Any, x: float, y: float) -> list[int]:
    """Of the canvas, at a place in [0, 1]."""
    return page.evaluate(
        """async ([x, y]) => {
          await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
          const canvas = document.getElementById("stage");
          return [...canvas.getContext("2d").getImageData(x * canvas.width, y * canvas.height, 1, 1).data].slice(0, 3);
        }""",
        [x, y],
    )
