"""An event loop of one's own."""

import asyncio
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any


def finished(coroutine: Coroutine) -> Any:
    """What it returns, run in another thread: in this one Playwright may keep its loop, once a browser was opened."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, coroutine).result()
