"""A server process, and a page in a browser, with the few things that tests do to them."""

import os
import pathlib
import signal
import subprocess
import sys
import time

from tests import patience
from tests.patience import PATIENCE

ROOT = pathlib.Path(__file__).resolve().parents[3]
SCREENSHOTS = ROOT / "build" / "screenshots" / "serve"
# What its interpreter runs first: only this machine may be asked; who else was is written down.
WATCH = """
import ipaddress, os, socket
_connect, _look_up = socket.socket.connect, socket.getaddrinfo
def _note(what):
    with open(os.environ["ASKED_FOR"], "a") as file:
        file.write(f"{what}\\n")
def connect(self, address):
    if self.family in (socket.AF_INET, socket.AF_INET6):
        if not ipaddress.ip_address(address[0]).is_loopback:
            _note(address)
            raise OSError("the tests' server may ask nobody")
    return _connect(self, address)
def getaddrinfo(host, *rest, **more):
    if host not in (None, "localhost", "127.0.0.1", "::1"):
        _note(host)
        raise socket.gaierror("the tests' server may ask nobody")
    return _look_up(host, *rest, **more)
socket.socket.connect, socket.getaddrinfo = connect, getaddrinfo
"""


class RunningServer:
    """``python main.py serve`` on a free port, until stopped."""

    def __init__(self, folder: pathlib.Path, *arguments: str):
        (folder / "watch").mkdir()
        (folder / "watch" / "sitecustomize.py").write_text(WATCH)
        self.temporary = folder / "temporary"
        self.temporary.mkdir()
        self._asked_for = folder / "asked-for.txt"
        self._asked_for.touch()
        self._said = folder / "said.txt"
        self._errors = folder / "errors.txt"
        environment = os.environ | {
            "PYTHONPATH": str(folder / "watch"),
            "TMPDIR": str(self.temporary),
            "ASKED_FOR": str(self._asked_for),
        }
        with self._said.open("w") as said, self._errors.open("w") as errors:
            self.process = subprocess.Popen(
                [sys.executable, "main.py", "serve", "--port=0", *arguments],
                cwd=ROOT,
                env=environment,
                stdout=said,
                stderr=errors,
            )
        self.address = self._wait()

    @property
    def asked_for(self) -> list[str]:
        """Hosts that the process tried to reach."""
        return self._asked_for.read_text().splitlines()

    @property
    def errors(self) -> str:
        """What it wrote on standard error."""
        return self._errors.read_text()

    def private_files(self) -> list[pathlib.Path]:
        """What lies in its private folder."""
        return [path for path in self.temporary.rglob("*") if path.is_file()]

    def until_nothing_waits(self) -> None:
        """Waits until its private folder is empty."""
        end = time.monotonic() + PATIENCE
        while self.private_files() and time.monotonic() < end:
            time.sleep(0.05)
        assert self.private_files() == []

    def stop(self) -> int:
        """Asks it to end, as Ctrl-C does; its exit status."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        try:
            return self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise

    def _wait(self) -> str:
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            for line in self._said.read_text().splitlines():
                if line.startswith("ready: "):
                    return line.removeprefix("ready: ")
            if self.process.poll() is not None:
                break
            time.sleep(0.1)
        self.process.kill()
        raise RuntimeError(f"the server did not start: {self.errors}")


class Tab:
    """The page in a browser."""

    def __init__(self, page, troubles: list[str]):
        self.page = page
        self.troubles = troubles

    def ask(self, expression: str, argument=None):
        """A JavaScript expression's value."""
        return self.page.evaluate(expression, argument)

    def until(self, expression: str, seconds: float = PATIENCE):
        """Waits for an expression to be true; Playwright's own wait would break the policy."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if value := self.ask(f"() => {expression}"):
                return value
            self.page.wait_for_timeout(100)
        raise AssertionError(f"not within {seconds} s: {expression}")

    def becomes(self, expression: str, wanted) -> None:
        """Waits for a value."""
        patience.becomes(self.page, lambda: self.ask(expression), wanted)

    def tab_on(self) -> None:
        """Presses the tabulator key and waits until something else has the focus."""
        self.ask("() => { window.hadFocus = document.activeElement; }")
        self.page.keyboard.press("Tab")
        self.until("document.activeElement !== window.hadFocus")

    def open(self, name: str, part: str) -> None:
        """Opens one of the page's tabs."""
        self.page.get_by_role("tab", name=name).click()
        self.until(f"document.querySelector('#{part}-zone input')")

    def give(self, part: str, *paths: pathlib.Path, cards: int = 1) -> None:
        """Chooses files and waits for what is said of them."""
        self.page.set_input_files(f"#{part}-zone input", [str(path) for path in paths])
        self.done(part, cards)

    def done(self, part: str, cards: int = 1) -> None:
        """Waits until a part of the page shows so many cards or problems and works no more."""
        found = f"document.querySelectorAll('#{part}-result .card[data-sha256], "
        found += f"#{part}-result > * .problem').length"
        self.until(f"{found} >= {cards} && !document.querySelector('#{part}-result .working')")

    def cards(self, part: str) -> list[dict]:
        """Name, verdict, score and words of every card."""
        return self.ask(
            """part => [...document.querySelectorAll(`#${part}-result .card[data-sha256]`)].map(
            card => ({
                name: card.querySelector('.name').textContent,
                sha256: card.dataset.sha256,
                verdict: card.querySelector('.verdict').dataset.verdict,
                badge: card.querySelector('.badge').innerText.trim(),
                own: (card.querySelector('header .mini') || {}).innerText || '',
                score: Number(card.querySelector('header .score').value),
                shown: card.querySelector('header .score').innerText,
                words: card.innerText,
            }))""",
            part,
        )

    def problems(self, part: str) -> list[str]:
        """The sentences about what could not be done."""
        return self.page.locator(
            f"#{part}-result .problem, #{part}-zone p.problem"
        ).all_inner_texts()

    def screenshot(self, name: str, *, full: bool = True) -> pathlib.Path:
        """Keeps a picture of the page among the test's artefacts."""
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        path = SCREENSHOTS / f"{name}.png"
        self.page.screenshot(path=path, full_page=full)
        return path
