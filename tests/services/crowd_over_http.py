"""A crowd in front of the real pages: people who come, answer, send twice, open two tabs, reload, leave, hang up.

They come until every panel is full; meanwhile leases run out, and what serves them may be killed.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from random import Random

from tests.services.conftest import Installation

from .http_participants import Ledger, Page, Unreachable, Walker

LONG_AGO = "2000-01-01 00:00:00"
HELD = "SELECT id FROM studies_slot WHERE NOT filled AND holder_id IS NOT NULL"


@dataclass(frozen=True)
class Habits:
    """Chances: of `two_tabs` for a person, of the others for a page."""

    two_tabs: float = 0.25
    double: float = 0.05
    reload: float = 0.05
    leaving: float = 0.01
    hanging_up: float = 0.02
    #: Mean seconds in front of a page.
    thinking: float = 0


@dataclass
class Throng:
    """So many people at once before one study.  patient: they send again what a failing server did not take."""

    installation: Installation
    port: int
    link: str
    seed: int = 0
    at_once: int = 32
    habits: Habits = field(default_factory=Habits)
    patient: bool = False
    #: Mean seconds until the study is paused again; when it goes on, all who waited come back at the same moment.
    pauses: float = 1.5
    #: Seconds until the leases of some run out again.
    lapses: float = 0.3
    #: Called over and over while the crowd is at work.
    disturb: Callable[[Random], Awaitable[None]] | None = None
    #: Longest time to wait for every panel to be full.
    seconds: float = 600

    def __post_init__(self) -> None:
        self.ledger = Ledger()
        self.came = self.failures = 0
        self._dice = Random(self.seed)
        self._full = False
        self._at_work = 0
        self._open = asyncio.Event()
        self._open.set()

    async def run(self) -> None:
        """Until every panel is full; errors, also that of time run out, are in the ledger."""
        async with asyncio.TaskGroup() as tasks:
            helpers = [tasks.create_task(self._keep_time())]
            if self.pauses:
                helpers.append(tasks.create_task(self._keep_pausing()))
            if self.disturb:
                helpers.append(tasks.create_task(self._keep_disturbing()))
            places = [tasks.create_task(self._keep_coming(self._one_more())) for _ in range(self.at_once)]
            _, pending = await asyncio.wait(places, timeout=self.seconds)
            if pending:
                self.ledger.errors.append(f"not every panel is full after {self.seconds} s")
            for task in (*pending, *helpers):
                task.cancel()

    def _one_more(self) -> Random:
        return Random(self._dice.random())

    # --- what happens around them -------------------------------------------------------------------------------------

    async def _keep_time(self) -> None:
        """Look whether all is full; let leases run out: some at any time, all when nobody is left at work."""
        while True:
            await asyncio.sleep(self.lapses)
            with suppress(Exception):  # the database may be away
                wanted = await self._ask("SELECT count(*) FROM studies_slot WHERE NOT filled")
                if not wanted[0][0]:
                    self._full = True
                    return
                some = HELD if not self._at_work else f"{HELD} ORDER BY random() LIMIT 2"
                await asyncio.to_thread(
                    self.installation.change,
                    f"UPDATE studies_slot SET leased_until = '{LONG_AGO}' WHERE NOT filled AND id IN ({some})",
                )

    async def _keep_pausing(self) -> None:
        dice = self._one_more()
        while not self._full:
            await asyncio.sleep(dice.uniform(0, 2 * self.pauses))
            with suppress(Exception):
                await self._set_state("paused")
                self._open.clear()
            await asyncio.sleep(0.5)
            while not self._open.is_set():
                with suppress(Exception):
                    await self._set_state("open")
                    self._open.set()
                await asyncio.sleep(0.1)

    async def _set_state(self, state: str) -> None:
        await asyncio.to_thread(self.installation.change, f"UPDATE studies_study SET state = '{state}'")

    async def _ask(self, query: str) -> list[tuple]:
        return await asyncio.to_thread(self.installation.rows, query)

    async def _keep_disturbing(self) -> None:
        dice = self._one_more()
        while not self._full:
            await self.disturb(dice)

    # --- the people ---------------------------------------------------------------------------------------------------

    async def _keep_coming(self, dice: Random) -> None:
        while not self._full:
            walker = Walker(self.port, self.link, dice, self.ledger)
            try:
                if not await self._until_served(walker.join):
                    await asyncio.sleep(0.2)
                    continue
                self.came += 1
                self._at_work += 1
                tabs = [walker]
                if dice.random() < self.habits.two_tabs:
                    tabs.append(Walker(self.port, self.link, Random(dice.random()), self.ledger))
                    tabs[1].page = walker.page
                try:
                    await asyncio.gather(*(self._take_part(tab) for tab in tabs))
                finally:
                    self._at_work -= 1
            except (Unreachable, RuntimeError) as error:
                self.ledger.errors.append(str(error))
            finally:
                walker.close()

    async def _take_part(self, tab: Walker) -> None:
        dice, habits = tab.dice, self.habits
        try:
            while not self._full:
                if tab.page.again:
                    if self._open.is_set():
                        await asyncio.sleep(0.05)
                    await self._open.wait()
                    await self._until_served(tab.load)
                    continue
                if tab.page.fields is None:
                    return
                if habits.thinking:
                    await asyncio.sleep(dice.expovariate(1 / habits.thinking))
                page, answer = tab.page, dice.choice(tab.page.answers or [""])
                if dice.random() < habits.leaving:
                    return
                if dice.random() < habits.reload:
                    await self._until_served(tab.load)
                elif dice.random() < habits.hanging_up:
                    await self._hang_up(tab, page, answer)
                elif dice.random() < habits.double:
                    await self._send_twice(tab, page)
                else:
                    await self._until_served(lambda page=page, answer=answer: tab.submit(page, answer))
        finally:
            tab.close()

    async def _send_twice(self, tab: Walker, page: Page) -> None:
        """At the same moment, over two connections, with answers of their own."""
        other = Walker(self.port, self.link, Random(tab.dice.random()), self.ledger)
        try:
            await asyncio.gather(
                *(self._until_served(lambda one=one: one.submit(page)) for one in (tab, other)),
            )
        finally:
            other.close()

    async def _hang_up(self, tab: Walker, page: Page, answer: str) -> None:
        """Send, do not wait for what comes, and look again where one is."""
        with suppress(TimeoutError, Unreachable):
            await asyncio.wait_for(tab.submit(page, answer), timeout=tab.dice.uniform(0, 0.02))
        tab.close()
        await self._until_served(lambda: tab.load(page.path))

    async def _until_served(self, send: Callable[[], Awaitable]) -> object:
        """Send again what nobody knows to have arrived; the impatient do so never."""
        while True:
            try:
                return await send()
            except Unreachable:
                self.failures += 1
                if not self.patient:
                    raise
                await asyncio.sleep(0.3)
