"""Pages in headless Chromium, opened as files from a disk."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Any

_FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--autoplay-policy=no-user-gesture-required",
    "--force-color-profile=srgb",
    "--window-size=1280,1000",
)

_ASYNC = """
const done = arguments[arguments.length - 1];
const sleep = (seconds) => new Promise((resolve) => setTimeout(resolve, 1000 * seconds));
const until = async (condition, seconds = 20) => {
  const end = performance.now() + 1000 * seconds;
  while (!condition()) {
    if (performance.now() > end) throw new Error(`waited ${seconds} s for ${condition}`);
    await sleep(0.02);
  }
};
(async () => { %s })().then((value) => done({ value }), (error) => done({ error: error.stack }));
"""


class Browser:
    """One window. Scripts see the page's own names: `engine`, `stems`, `seek` and so on."""

    def __init__(self, program: Path, driver: Path, profile: Path) -> None:
        from selenium import webdriver

        options = webdriver.ChromeOptions()
        options.binary_location = str(program)
        for flag in (*_FLAGS, f"--user-data-dir={profile}"):
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        service = webdriver.ChromeService(executable_path=str(driver))
        self._driver: Any = webdriver.Chrome(options=options, service=service)
        self._driver.set_script_timeout(60)

    def __enter__(self) -> Browser:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._driver.quit()

    def open(self, page: Path) -> None:
        """Opens a page and forgets what the console said before."""
        self._driver.get("about:blank")
        self.console()
        self._driver.get(page.absolute().as_uri())

    def run(self, script: str, *arguments: Any) -> Any:
        """What an asynchronous function body returns; it may use `sleep` and `until`."""
        answer = self._driver.execute_async_script(_ASYNC % script, *arguments)
        assert "error" not in answer, answer["error"]
        return answer.get("value")

    def console(self) -> list[str]:
        """What the console has said since the last call."""
        return [entry["message"] for entry in self._driver.get_log("browser")]

    def press(self, *keys: str, shift: bool = False) -> None:
        """Presses keys one after the other, as a keyboard does."""
        from selenium.webdriver.common.action_chains import ActionChains
        from selenium.webdriver.common.keys import Keys

        actions = ActionChains(self._driver)
        if shift:
            actions.key_down(Keys.SHIFT)
        for key in keys:
            actions.send_keys(key)
        actions.key_up(Keys.SHIFT).perform()

    def click(self, selector: str) -> None:
        self._driver.find_element("css selector", selector).click()

    def drag(self, selector: str, start: float, stop: float) -> None:
        """Drags the mouse over an element between two shares of its width."""
        from selenium.webdriver.common.action_chains import ActionChains

        found = self._driver.find_element("css selector", selector)
        width = found.rect["width"]
        ActionChains(self._driver).move_to_element_with_offset(
            found, round((start - 0.5) * width), 0
        ).click_and_hold().move_by_offset(round((stop - start) * width), 0).release().perform()

    def resize(self, width: int, height: int, *, dark: bool = False) -> None:
        self._driver.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500},
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self._driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})

    def picture(self) -> bytes:
        """What the window shows, as a PNG."""
        png: bytes = self._driver.get_screenshot_as_png()
        return png
