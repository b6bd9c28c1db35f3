"""A headless Chromium that shows the live page, and what is read from it."""

import contextlib
import shutil
import time
from urllib.parse import parse_qs, urlsplit

from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By

WIDE = (1300, 900)
NARROW = (360, 740)


def wait_for(what, condition, seconds=10):
    """The first value of `condition` that is true."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with contextlib.suppress(IndexError, KeyError):
            value = condition()
            if value:
                return value
        time.sleep(0.05)
    raise AssertionError(f"{what} did not happen within {seconds} s")


class Browser:
    """One Chromium for all tests."""

    def __init__(self):
        options = webdriver.ChromeOptions()
        for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"):
            options.add_argument(argument)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        self.driver = webdriver.Chrome(service=Service(shutil.which("chromedriver")), options=options)
        self.driver.execute_cdp_cmd("Network.enable", {})
        self.show()

    def show(self, size=WIDE, scheme="light"):
        width, height = size
        self.command(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=size == NARROW
        )
        self.command("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def open(self, address):
        self.driver.get(address)
        wait_for("the first answer", lambda: self.text("#state") == "ready")

    def command(self, name, **arguments):
        return self.driver.execute_cdp_cmd(name, arguments)

    def run(self, script, *arguments):
        return self.driver.execute_script(script, *arguments)

    def element(self, selector):
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def text(self, selector):
        return self.run("return document.querySelector(arguments[0]).textContent", selector)

    def figure(self, label):
        script = """return [...document.querySelectorAll("#figures div")]
            .find(item => item.children[0].textContent === arguments[0]).children[1].textContent"""
        return self.run(script, label)

    def rows(self, body):
        """The rows of a table, each as a dictionary by the labels of its columns."""
        script = """return [...document.querySelectorAll(arguments[0] + " tr")].map(row =>
            Object.fromEntries([...row.cells].map(cell => [cell.dataset.label, cell.textContent])))"""
        return self.run(script, body)

    def sessions(self, application=None):
        rows = self.rows("#session-rows")
        return [row for row in rows if application is None or row["Application"] == application]

    def press(self, *keys):
        ActionChains(self.driver).send_keys(*keys).perform()

    def focus(self):
        """The focused element: its tag, id, the text of its cell, and whether an outline shows it."""
        return self.run("""const focused = document.activeElement, style = getComputedStyle(focused);
            return { tag: focused.tagName, id: focused.id, text: focused.textContent,
                column: focused.closest("td")?.dataset.label, row: focused.closest("tr")?.sectionRowIndex,
                isShown: style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 1 }""")

    def query(self):
        """The filters in the address of the page."""
        return {name: values[0] for name, values in parse_qs(urlsplit(self.driver.current_url).query).items()}

    def updates(self, count=2):
        """Waits for so many updates of the page."""
        for _ in range(count):
            before = self.text("#time")
            wait_for("an update", lambda before=before: self.text("#time") != before)

    def messages(self):
        return [entry["message"] for entry in self.driver.get_log("browser")]


def contrast(*colors):
    """The contrast of two colors like #1c2430, as WCAG defines it."""

    def luminance(color):
        digits = color[1:] if len(color) == 7 else "".join(digit * 2 for digit in color[1:])
        parts = [int(digits[index : index + 2], 16) / 255 for index in (0, 2, 4)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    darker, lighter = sorted(map(luminance, colors))
    return (lighter + 0.05) / (darker + 0.05)
