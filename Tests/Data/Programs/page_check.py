"""Checks the live page in a headless Chromium, against a running pgleash.

page_check.py PAGE PORT SILENT_PAGE SILENT_PORT SERVER_PORT

PAGE and PORT are the page and the port for clients of a pgleash in front of a PostgreSQL. Those with SILENT_ are of
another one, whose server is made here: it listens on SERVER_PORT and never answers, so that clients can use any name.
Prints what was found wrong, and exits with 1 if anything was.
"""

import os
import resource
import socket
import struct
import subprocess
import sys
import time
import unittest

import psycopg2
from page_browser import NARROW, WIDE, Browser, contrast, wait_for
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select

MANY = 10_000
HOSTILE = [
    b"<script>document.title='broken'</script>",
    b'"><img src=x onerror=alert(1)>',
    b"line\nbreak\r\ttab \x1b[31mred\x07",
    "\u202eright to left\u202c \u200bno width\u2028line".encode(),
    b"W" * 63,
    ("\u00e9\u4e2d\ufdfd\U0001f600" * 5).encode()[:63],
    "a\u0301\u0302\u0303\u0304\u0305\u0306\u0307\u0308\u0309\u030a".encode() * 3,
    b"   spaces   ",
    b"{{constructor.constructor('alert(1)')()}}",
    b"__proto__",
    *(bytes(range(first, min(first + 63, 256))) for first in range(1, 256, 63)),
]


def target(name):
    return f"host=127.0.0.1 port={PORT} user=postgres application_name={name}"


class BusyClient:
    """A process with a session through pgleash that runs a query for ever."""

    def __init__(self, name):
        program = "import psycopg2, sys; psycopg2.connect(sys.argv[1]).cursor().execute('SELECT pg_sleep(600)')"
        self.process = subprocess.Popen([sys.executable, "-c", program, target(name)])

    def close(self):
        self.process.kill()
        self.process.wait()


def silent_client(user, database):
    """A client that sends its startup packet to the pgleash without a real server, and waits."""
    client = socket.create_connection(("127.0.0.1", SILENT_PORT))
    body = struct.pack("!i", 196608) + b"user\0" + user + b"\0database\0" + database + b"\0\0"
    client.sendall(struct.pack("!i", len(body) + 4) + body)
    return client


def ended_orphans():
    return [row for row in browser.rows("#orphan-rows") if row["Outcome"] != "reaping"]


class PageTest(unittest.TestCase):
    page = None

    def setUp(self):
        browser.show()
        browser.open(self.page or PAGE)
        self.addCleanup(self.check_messages)

    def check_messages(self):
        self.assertEqual(browser.messages(), [])

    def open_client(self, name, busy=False):
        client = BusyClient(name) if busy else psycopg2.connect(target(name))
        self.addCleanup(client.close)
        return client


class TheLivePage(PageTest):
    def test_messages_of_the_page_are_seen(self):
        browser.run("console.info('seen')")
        self.assertIn("seen", " ".join(browser.messages()))

    def test_sessions_appear_with_state_and_age(self):
        self.open_client("idle-one")
        self.open_client("busy-one", busy=True)
        wait_for("both sessions", lambda: len(browser.sessions("idle-one") + browser.sessions("busy-one")) == 2)
        busy = wait_for("the query", lambda: [row for row in browser.sessions("busy-one") if row["Query"]])[0]
        self.assertEqual((busy["State"], busy["TLS"]), ("active", "none"))
        self.assertEqual((busy["User"], busy["Database"]), ("postgres", "postgres"))
        self.assertRegex(busy["Query"], r"^\d+(\.\d+)? (ms|s)$")
        self.assertRegex(busy["Age"], r"^\d+(\.\d+)? (ms|s)$")
        self.assertRegex(busy["Client"], r"^127\.0\.0\.1:\d+$")
        self.assertEqual(browser.sessions()[0], browser.sessions("busy-one")[0])
        idle = browser.sessions("idle-one")[0]
        self.assertEqual((idle["State"], idle["Query"]), ("idle", ""))
        wait_for("the figures", lambda: browser.figure("Running queries") == "1")
        self.assertNotEqual(browser.figure("Oldest query"), "–")

    def test_the_orphan_of_a_killed_client_appears_with_its_outcome(self):
        client = self.open_client("killed-one", busy=True)
        wait_for("the query", lambda: browser.sessions("killed-one")[0]["State"] == "active")
        drops = int(browser.figure("Drops"))
        client.close()
        orphan = wait_for("the orphan", lambda: [row for row in ended_orphans() if row["Application"] == "killed-one"])[
            0
        ]
        self.assertEqual((orphan["Outcome"], orphan["Drop"], orphan["User"]), ("cancelled", "fin", "postgres"))
        self.assertRegex(orphan["Ended (UTC)"], r"^\d\d:\d\d:\d\d$")
        self.assertRegex(orphan["Reap time"], r"^\d+(\.\d+)? (ms|s)$")
        self.assertGreaterEqual(int(orphan["Cancels"]), 1)
        wait_for("the figure", lambda: int(browser.figure("Drops")) == drops + 1)
        bars = "return [...document.querySelectorAll('#reap tr')].map(row => Number(row.cells[2].textContent))"
        self.assertGreaterEqual(sum(browser.run(bars)), 1)

    def test_filters_select_sessions_and_are_kept_in_the_address(self):
        for name in ("filter-a", "filter-b"):
            self.open_client(name)
        self.open_client("filter-busy", busy=True)
        wait_for("the sessions", lambda: len(browser.sessions()) >= 3)
        Select(browser.element("#filter-state")).select_by_value("active")
        wait_for("active sessions", lambda: {row["State"] for row in browser.sessions()} == {"active"})
        self.assertEqual(browser.query(), {"state": "active"})
        browser.open(browser.driver.current_url)
        self.assertEqual({row["State"] for row in browser.sessions()}, {"active"})
        client = browser.sessions()[0]["Client"]
        browser.element("#address").send_keys(client)
        wait_for("the filter in the address", lambda: browser.query() == {"state": "active", "address": client})
        browser.element("#user").send_keys("nobody")
        wait_for("no session", lambda: not browser.sessions())
        self.assertEqual(browser.text("#no-sessions"), "No session matches the filters.")
        browser.element("#clear").click()
        wait_for("all sessions", lambda: len(browser.sessions()) >= 3)
        self.assertEqual(browser.query(), {})
        browser.element("#session-rows td[data-label=Database] button").click()
        wait_for("the filter of a cell", lambda: browser.query() == {"database": "postgres"})
        self.assertEqual(browser.element("#database").get_attribute("value"), "postgres")

    def test_everything_can_be_reached_with_the_keyboard(self):
        for name in ("keys-a", "keys-b", "keys-c"):
            self.open_client(name)
        wait_for("the sessions", lambda: len(browser.sessions()) >= 3)
        browser.press(Keys.TAB)
        self.assertEqual(browser.focus()["text"], "Skip to the sessions")
        self.assertTrue(browser.element(".skip").is_displayed())
        browser.press(Keys.ENTER)
        self.assertEqual(browser.focus()["id"], "sessions")
        reached = []
        while not reached or reached[-1]["column"] is None:
            browser.press(Keys.TAB)
            reached.append(browser.focus())
            self.assertLess(len(reached), 10)
        self.assertEqual([item["id"] for item in reached[:-1]], ["user", "database", "filter-state", "address"])
        self.assertTrue(all(item["isShown"] for item in reached), reached)
        self.assertEqual((reached[-1]["row"], reached[-1]["column"]), (0, "Query"))
        for key, row, column in [
            (Keys.ARROW_DOWN, 1, "Query"),
            (Keys.ARROW_RIGHT, 1, "State"),
            (Keys.END, 1, "Age"),
            (Keys.HOME, 1, "Query"),
            (Keys.ARROW_UP, 0, "Query"),
            (Keys.ARROW_UP, 0, "Query"),
            (Keys.ARROW_LEFT, 0, "Query"),
        ]:
            browser.press(key)
            focus = browser.focus()
            self.assertEqual((focus["row"], focus["column"], focus["isShown"]), (row, column, True))
        browser.press(Keys.ARROW_RIGHT, Keys.ARROW_RIGHT, Keys.ARROW_RIGHT)
        browser.press(Keys.ENTER)
        wait_for("the filter of a cell", lambda: browser.query() == {"user": "postgres"})
        # One cell of the table is in the order of the Tab key.
        script = "return document.querySelectorAll('#session-rows [tabindex=\"0\"]').length"
        self.assertEqual(browser.run(script), 1)

    def test_updates_keep_the_focus_the_selection_and_the_scroll_position(self):
        clients = [self.open_client(f"kept-{index}") for index in range(3)]
        wait_for("the sessions", lambda: len(browser.sessions("kept-1")) == 1)
        browser.run("""[...document.querySelectorAll("#session-rows tr")]
            .find(row => row.textContent.includes("kept-1")).querySelector("[data-label=User] button").focus()""")
        browser.run("scrollTo(0, 150)")
        # Another session takes the first row: the focus stays with its session.
        before = browser.focus()["row"]
        busy = self.open_client("kept-busy", busy=True)
        wait_for("the other row", lambda: browser.focus()["row"] == before + 1)
        self.assertEqual(browser.focus()["column"], "User")
        self.assertIn("kept-1", browser.run("return document.activeElement.closest('tr').textContent"))
        self.assertEqual(browser.run("return scrollY"), 150)
        # The session ends: the focus stays in the table.
        busy.close()
        for client in clients:
            client.close()
        wait_for("their end", lambda: not [row for row in browser.sessions() if row["Application"].startswith("kept")])
        self.assertIn(browser.focus()["tag"], ("BUTTON", "TD", "INPUT"))
        browser.element("#user").send_keys("ab")
        browser.updates(1)
        browser.press("c")
        self.assertEqual(browser.element("#user").get_attribute("value"), "abc")

    def test_pause_stops_the_updates(self):
        browser.element("#pause").click()
        self.assertEqual(browser.element("#pause").get_attribute("aria-pressed"), "true")
        time.sleep(0.3)
        before = browser.text("#time")
        time.sleep(2.5)
        self.assertEqual(browser.text("#time"), before)
        browser.element("#pause").click()
        browser.updates(1)

    def test_the_page_says_when_pgleash_cannot_be_reached(self):
        self.assertEqual(browser.text("#notice"), "")
        offline = {"latency": 0, "downloadThroughput": -1, "uploadThroughput": -1}
        browser.command("Network.emulateNetworkConditions", offline=True, **offline)
        wait_for("the notice", lambda: "can’t be reached" in browser.text("#notice"))
        self.assertEqual(browser.text("#state"), "unreachable")
        browser.command("Network.emulateNetworkConditions", offline=False, **offline)
        wait_for("the end of the notice", lambda: browser.text("#notice") == "")
        self.assertEqual(browser.text("#state"), "ready")
        # Chromium itself reports the requests that failed.
        self.assertTrue(all("ERR_INTERNET_DISCONNECTED" in message for message in browser.messages()))

    def test_text_has_enough_contrast_in_both_schemes(self):
        backgrounds = []
        for scheme in ("light", "dark"):
            browser.show(scheme=scheme)
            pairs = browser.run("""const style = getComputedStyle(document.documentElement);
                const color = name => style.getPropertyValue("--" + name).trim();
                return ["text", "muted", "accent", "good", "warn", "bad", "reap"].flatMap(front =>
                    ["page", "card", "soft"].map(back => [front, back, color(front), color(back)]))""")
            for front, back, *colors in pairs:
                self.assertGreaterEqual(contrast(*colors), 4.5, f"{front} on {back}, {scheme}")
            backgrounds.append(browser.run("return getComputedStyle(document.body).backgroundColor"))
        self.assertNotEqual(*backgrounds)

    def test_a_narrow_window_shows_everything_without_scrolling_sideways(self):
        self.open_client("narrow-one", busy=True)
        wait_for("the session", lambda: browser.sessions("narrow-one"))
        for width in (320, 360, 700, 1000):
            browser.show(size=(width, 740))
            self.assertLessEqual(browser.run("return document.documentElement.scrollWidth"), width)
        browser.show(size=NARROW)
        outside = browser.run("""return [...document.querySelectorAll("main *, header *")].filter(item => {
            const place = item.getBoundingClientRect();
            return place.width > 1 && (place.left < 0 || place.right > innerWidth + 0.5);
        }).map(item => item.outerHTML.slice(0, 80))""")
        self.assertEqual(outside, [])
        hidden = browser.run("""return [...document.querySelector("#session-rows tr").cells].filter(cell => {
            const label = getComputedStyle(cell, "::before").content;
            return cell.offsetHeight === 0 || !label.includes(cell.dataset.label);
        }).length""")
        self.assertEqual(hidden, 0)

    def test_each_control_has_a_label_and_each_id_is_unique(self):
        for script in [
            """return [...document.querySelectorAll("input, select")]
                .filter(control => !control.labels.length).map(control => control.id)""",
            """const ids = [...document.querySelectorAll("[id]")].map(item => item.id);
                return ids.filter((id, index) => ids.indexOf(id) !== index)""",
            """return [...document.querySelectorAll("[aria-labelledby], [aria-describedby]")]
                .flatMap(item => [item.getAttribute("aria-labelledby"), item.getAttribute("aria-describedby")])
                .filter(id => id && !document.getElementById(id))""",
        ]:
            self.assertEqual(browser.run(script), [])

    def test_the_configuration_says_what_a_reload_reads_again(self):
        rows = browser.run("""return [...document.querySelectorAll("#settings tr:not(.section)")]
            .map(row => [...row.cells].map(cell => cell.textContent))""")
        # The first one of each name, that of [server].
        by_key = {row[0]: row[1:] for row in reversed(rows)}
        self.assertEqual(by_key["max_sessions"][2], "unchanged")
        self.assertEqual(by_key["sslrootcert"][2], "read again")
        browser.element("#changed").click()
        count = "return document.querySelectorAll('#settings tr').length"
        wait_for("fewer keys", lambda: browser.run(count) < len(rows))


class ManyAndHostileClients(PageTest):
    @property
    def page(self):
        return SILENT_PAGE

    def test_10000_sessions_are_shown_in_pages(self):
        clients = [socket.create_connection(("127.0.0.1", SILENT_PORT)) for _ in range(MANY)]
        self.addCleanup(lambda: [client.close() for client in clients])
        wait_for("all sessions", lambda: browser.figure("Sessions") == f"{MANY:,}", seconds=30)
        wait_for("their range", lambda: browser.text("#range") == f"1–20 of {MANY:,}")
        self.assertEqual(len(browser.sessions()), 20)
        browser.element("#last").click()
        wait_for("the last page", lambda: browser.text("#range") == f"{MANY - 19:,}–{MANY:,} of {MANY:,}")
        self.assertFalse(browser.element("#next").is_enabled())
        Select(browser.element("#limit")).select_by_visible_text("500")
        wait_for("500 rows", lambda: len(browser.sessions()) == 500)
        browser.element("#next").click()
        wait_for("the next page", lambda: browser.text("#range") == f"501–1,000 of {MANY:,}")
        self.assertEqual(browser.query(), {"limit": "500", "offset": "500"})
        # An update, from its request to the end of its rendering, leaves time for the person.
        longest = browser.run("""return new Promise(resolve => {
            let longest = 0, last = performance.now();
            const end = last + 2500;
            const tick = now => {
                longest = Math.max(longest, now - last);
                last = now;
                now < end ? requestAnimationFrame(tick) : resolve(longest);
            };
            requestAnimationFrame(tick);
        })""")
        self.assertLess(longest, 500)
        for client in clients:
            client.close()
        wait_for("the first page", lambda: browser.figure("Sessions") == "0", seconds=30)

    def test_hostile_names_change_nothing(self):
        count = "return document.querySelectorAll('*').length"
        clients = [silent_client(b"plain", b"plain")]
        wait_for("the plain session", lambda: browser.sessions())
        browser.updates(1)
        elements = browser.run(count)
        height = browser.run("return document.querySelector('#session-rows tr').offsetHeight")
        cells = browser.run("return document.querySelectorAll('#session-rows tr:first-child *').length")
        clients += [silent_client(name, name) for name in HOSTILE]
        self.addCleanup(lambda: [client.close() for client in clients])
        wait_for("all sessions", lambda: len(browser.sessions()) == len(clients))
        browser.updates(1)
        self.assertEqual(browser.run(count), elements + len(HOSTILE) * (cells + 1))
        self.assertRegex(browser.driver.title, "^pgleash")
        self.assertLessEqual(browser.run("return document.documentElement.scrollWidth"), WIDE[0])
        heights = browser.run("return [...document.querySelectorAll('#session-rows tr')].map(row => row.offsetHeight)")
        self.assertLessEqual(max(heights), height + 6)
        users = [row["User"] for row in browser.sessions()]
        self.assertIn(HOSTILE[0].decode(), users)
        # Of control characters pgleash shows question marks, of others that cannot be seen the page shows numbers.
        self.assertIn("line?break??tab ?[31mred?", users)
        self.assertTrue([user for user in users if "\\u{202e}right to left\\u{202c} \\u{200b}no width" in user], users)
        self.assertIn("   spaces   ", users)
        self.assertEqual([user for user in users if not user.isprintable()], [])
        for user in users[1:4:2]:
            self.check_filter(user)

    def check_filter(self, shown):
        script = """[...document.querySelectorAll("#session-rows tr")].map(row => row.cells[3].firstElementChild)
            .find(button => button.textContent === arguments[0]).click()"""
        browser.run(script, shown)
        wait_for("one session", lambda: [row["User"] for row in browser.sessions()] == [shown])
        browser.open(browser.driver.current_url)
        self.assertEqual([row["User"] for row in browser.sessions()], [shown])
        self.assertEqual(browser.element("#user").get_attribute("value"), shown)
        browser.element("#clear").click()
        wait_for("all sessions", lambda: len(browser.sessions()) > len(HOSTILE))


if __name__ == "__main__":
    PAGE, PORT, SILENT_PAGE, SILENT_PORT, SERVER_PORT = sys.argv[1:6]
    SILENT_PORT = int(SILENT_PORT)
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    server = socket.create_server(("127.0.0.1", int(SERVER_PORT)), backlog=4096)
    browser = Browser()
    try:
        unittest.main(argv=[sys.argv[0], *sys.argv[6:]], verbosity=int(os.environ.get("VERBOSE", "1")))
    finally:
        browser.driver.quit()
