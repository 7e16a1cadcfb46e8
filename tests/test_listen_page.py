"""The page of `extracta-rs listen`, opened and clicked in a real Chromium.

Needs Debian's `chromium` and `chromium-driver` (or what `CHROMIUM` and `CHROMEDRIVER` name) and is
skipped without them, unless `EXTRACTA_TESTS_REQUIRE` has the word `browser`.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver
from selenium.common.exceptions import WebDriverException
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait

from extracta_rs import sign

SECRET = "E_AI_K_listen-säcret"
REQUIRED = "browser" in os.environ.get("EXTRACTA_TESTS_REQUIRE", "").split(",")
FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--disable-dev-shm-usage",
]  # fmt: skip
# Written by hand, so that numbers, escapes and spaces are seen as they came.
BODY = (
    rb'{"event":"extraction.processed", "result":[{"extractionId":"-Oe","batchId":"-Ob",'
    rb'"fileId":"-Of","fileName":"Rechnung M\u00fcller.pdf","status":"processed",'
    rb'"result":{"total":1.50,"2":[],"1":{}}}]}'
)
PRETTY = r"""{
  "event": "extraction.processed",
  "result": [
    {
      "extractionId": "-Oe",
      "batchId": "-Ob",
      "fileId": "-Of",
      "fileName": "Rechnung M\u00fcller.pdf",
      "status": "processed",
      "result": {
        "total": 1.50,
        "2": [],
        "1": {}
      }
    }
  ]
}"""
EVIL = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>"


def program(variable: str, name: str) -> str | None:
    return os.environ.get(variable) or shutil.which(name)


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    chromium = program("CHROMIUM", "chromium")
    chromedriver = program("CHROMEDRIVER", "chromedriver")
    if chromium is None or chromedriver is None:
        missing = "chromium and chromedriver are needed: apt-get install chromium chromium-driver"
        pytest.fail(missing) if REQUIRED else pytest.skip(missing)
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    for flag in [*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('chromium')}"]:
        options.add_argument(flag)
    # With the path given selenium looks for no driver, so it asks and tells nobody.
    started = webdriver.Chrome(options=options, service=webdriver.ChromeService(chromedriver))
    yield started
    started.quit()


class Page:
    """The page in the browser, in words of who looks at it."""

    def __init__(self, driver: webdriver.Chrome, listening: Any) -> None:
        self.driver = driver
        self.listening = listening
        driver.get("about:blank")
        driver.get_log("browser")
        driver.get(listening.url)
        self.until(lambda: self.text("state") == "Live")

    def until(self, condition: Callable[[], Any]) -> Any:
        """Wait until a condition holds; an element may be replaced while one looks at it."""
        ignored = [WebDriverException, IndexError]
        return WebDriverWait(self.driver, 20, 0.05, ignored).until(lambda _: condition())

    def get(self, name: str) -> WebElement:
        return self.driver.find_element(By.ID, name)

    def text(self, name: str) -> str:
        return self.get(name).text

    def rows(self) -> list[str]:
        return [row.text for row in self.driver.find_elements(By.CSS_SELECTOR, "#list button")]

    def attempts(self) -> list[str]:
        return [row.text for row in self.driver.find_elements(By.CSS_SELECTOR, "#attempts li")]

    def open(self, number: int) -> None:
        self.get(f"row-{number}").click()
        self.until(lambda: f"Delivery {number} ·" in self.text("detail"))

    def look(self, width: int, height: int, scheme: str) -> None:
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        feature = {"name": "prefers-color-scheme", "value": scheme}
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})

    def problems(self) -> list[Any]:
        """Return what the browser complains about: scripts, policies, what was not found."""
        return [entry["message"] for entry in self.driver.get_log("browser")]


@pytest.fixture
def opened(driver: webdriver.Chrome, listen: Any) -> Iterator[Callable[..., Page]]:
    """Open the page of a listen that is started; nothing may be wrong with it at the end."""
    pages: list[Page] = []

    def open_page(*args: str) -> Page:
        pages.append(Page(driver, listen(*args)))
        pages[-1].look(1280, 900, "light")
        return pages[-1]

    yield open_page
    for page in pages:
        assert page.problems() == []


def test_deliveries_appear_open_and_are_replayed(
    opened: Callable[..., Page], app: Any, tmp_path: Path
) -> None:
    page = opened("--forward-to", app.url)
    assert "Waiting for the first delivery" in page.text("empty")
    assert page.text("try").endswith(f"trigger extraction.processed --url {page.listening.url}")
    assert app.url in page.text("where")

    page.driver.execute_script("window.notReloaded = true")
    assert page.listening.deliver(BODY) == 204
    page.until(lambda: "app answered 204" in page.rows()[0])
    (row,) = page.rows()
    assert row.startswith("✓\nextraction.processed\n")
    assert "1 file: 1 processed" in row
    assert not page.get("empty").is_displayed()

    page.open(1)
    assert page.text("body") == PRETTY
    assert "The signature holds" in page.text("detail")
    assert "Rechnung Müller.pdf" in page.text("detail")
    (attempt,) = page.attempts()
    assert "Delivery" in attempt
    assert "answered 204" in attempt
    headers = page.driver.find_element(By.TAG_NAME, "details")
    headers.find_element(By.TAG_NAME, "summary").click()
    assert sign(BODY, SECRET) in headers.text
    assert "säcret" not in page.driver.page_source

    app.status = 500
    page.get("replay").click()
    page.until(lambda: len(page.attempts()) == 2)
    assert "Replay" in page.attempts()[0]
    assert "answered 500" in page.attempts()[0]
    assert "the app says 500" in page.attempts()[0]
    page.until(lambda: "app answered 500" in page.rows()[0])
    assert len(app.came) == 2
    assert app.came[0] == app.came[1]
    assert app.came[1][0] == BODY
    assert [page.listening.told()["type"] for _ in range(2)] == ["delivery", "replay"]
    assert page.driver.execute_script("return window.notReloaded")

    shot = tmp_path / "page.png"
    assert page.driver.save_screenshot(str(shot))
    assert shot.read_bytes().startswith(b"\x89PNG")


def test_an_invalid_delivery_says_why_and_is_replayed_on_a_click_only(
    opened: Callable[..., Page], app: Any
) -> None:
    page = opened("--forward-to", app.url)
    assert page.listening.deliver(BODY, sign(BODY, "E_AI_K_old")) == 401
    page.until(lambda: "mismatch" in page.rows()[0])
    assert page.rows()[0].startswith("✕\n")
    page.open(1)
    detail = page.text("detail")
    assert "The signature does not hold: mismatch" in detail
    assert page.listening.told()["hint"].replace("`", "") in detail
    assert "Not passed on, and answered 401" in page.attempts()[0]
    assert app.came == []
    page.get("replay").click()
    page.until(lambda: "answered 401" in page.attempts()[0] and "Replay" in page.attempts()[0])
    assert app.came[0][0] == BODY
    app.secret = "E_AI_K_old"
    page.get("replay").click()
    page.until(lambda: "accepted it (204)" in page.attempts()[0])
    assert "must refuse" in page.attempts()[0]


def test_what_is_in_a_delivery_is_text(opened: Callable[..., Page]) -> None:
    page = opened()
    file = {"fileName": EVIL, "status": EVIL, "error": EVIL, "batchId": EVIL, "fileId": EVIL}
    bodies = [
        json.dumps({"event": EVIL, "result": [file]}).encode(),
        json.dumps({"event": "x.y", "result": EVIL}).encode(),
        EVIL.encode(),
    ]
    for number, body in enumerate(bodies, 1):
        signature = None if b"result" in body else "`<b>`"
        page.listening.deliver(body, signature, path=f"/<b>{number}", **{"X-Evil": EVIL})
        page.until(lambda n=number: len(page.rows()) == n)
        page.open(number)
        assert f"POST /<b>{number}" in page.text("detail")
        shown = page.text("body")
        assert shown == EVIL if number == 3 else json.dumps(EVIL) in shown
    page.open(1)
    assert page.driver.find_element(By.CSS_SELECTOR, "#detail h2").text == EVIL
    assert page.text("detail").count(EVIL) >= 4
    assert EVIL in page.rows()[2]
    assert page.driver.title == "(3) Deliveries · extracta-rs listen"
    assert page.driver.find_elements(By.CSS_SELECTOR, "img, #detail script, b") == []
    assert page.get("replay").get_attribute("aria-disabled") == "true"
    assert "--forward-to" in page.text("detail")


def test_the_policy_of_the_page_lets_no_other_script_run(opened: Callable[..., Page]) -> None:
    page = opened()
    page.driver.execute_script(
        "const made = document.createElement('div');"
        "made.innerHTML = '<img src=x onerror=\"window.owned=1\">'; document.body.append(made);"
        "const script = document.createElement('script');"
        "script.text = 'window.owned = 1'; document.body.append(script);"
    )
    page.until(lambda: sum("Content Security Policy" in text for text in seen(page)) >= 2)
    assert page.driver.execute_script("return window.owned") is None
    assert page.problems() == []


def seen(page: Page) -> list[str]:
    """Collect what the browser complained about so far."""
    complaints: list[str] = page.__dict__.setdefault("complaints", [])
    complaints += page.problems()
    return complaints


def test_a_hostile_site_can_neither_frame_read_nor_replay(
    opened: Callable[..., Page], app: Any
) -> None:
    page = opened("--forward-to", app.url)
    assert page.listening.deliver(BODY) == 204
    url = page.listening.url
    page.driver.get(app.url)  # Any page of another origin will do.
    script = """
        const [url, done] = arguments;
        const replay = url + '_listen/deliveries/1/replay';
        const headers = {'x-listen-token': 'x'};
        const tries = [
          fetch(url), fetch(url + '_listen/deliveries/1'), fetch(replay, {method: 'POST', headers}),
        ];
        const blind = fetch(replay, {method: 'POST', mode: 'no-cors'});
        Promise.allSettled(tries).then(async (results) => {
          await blind.catch(() => null);
          done(results.map((result) => result.status));
        });
    """
    assert page.driver.execute_async_script(script, url) == ["rejected"] * 3
    framed = """
        const [url, done] = arguments;
        const frame = document.createElement('iframe');
        frame.onload = () => done(true);
        frame.src = url;
        document.body.append(frame);
    """
    page.driver.execute_async_script(framed, url)
    page.driver.switch_to.frame(0)
    assert page.driver.find_elements(By.ID, "list") == []
    page.driver.switch_to.default_content()
    assert len(app.came) == 1
    assert page.problems(), "the browser says what it refused"


def test_the_keyboard_is_enough(opened: Callable[..., Page], app: Any) -> None:
    page = opened("--forward-to", app.url)
    for _ in range(2):
        page.listening.deliver(BODY)
    page.until(lambda: len(page.rows()) == 2)
    active = lambda: page.driver.switch_to.active_element  # noqa: E731
    page.driver.find_element(By.TAG_NAME, "body").send_keys(Keys.TAB, Keys.TAB)
    assert active().get_attribute("id") == "row-1", "the second row is the older one"
    active().send_keys(Keys.ENTER)
    page.until(lambda: "Delivery 1 ·" in page.text("detail"))
    page.until(lambda: active().tag_name == "h2")
    active().send_keys(Keys.TAB)
    assert active().get_attribute("id") == "replay"
    active().send_keys(Keys.SPACE)
    page.until(lambda: len(page.attempts()) == 2)
    assert active().get_attribute("id") == "replay", "the focus stays where it was"
    said = "Replay of delivery 1: answered 204"
    page.until(lambda: page.get("said").get_attribute("textContent") == said)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_narrow_windows_show_one_thing_at_a_time(
    scheme: str, opened: Callable[..., Page], app: Any, tmp_path: Path
) -> None:
    page = opened("--forward-to", app.url)
    page.look(400, 800, scheme)
    page.listening.deliver(BODY.replace(b"-Of", b"-O" + b"f" * 200))
    page.until(lambda: len(page.rows()) == 1)
    background = "return getComputedStyle(document.body).backgroundColor"
    red = int(page.driver.execute_script(background).strip("rgb()").split(",")[0])
    assert (red < 50) == (scheme == "dark")
    page.open(1)
    assert not page.get("list").is_displayed()
    assert page.get("replay").is_displayed()
    for element in ("document.documentElement", "document.getElementById('detail')"):
        wide = page.driver.execute_script(f"return {element}.scrollWidth")
        assert wide <= 400, "nothing is wider than the window"
    page.driver.save_screenshot(str(tmp_path / f"{scheme}.png"))
    page.get("back").click()
    page.until(lambda: page.get("list").is_displayed())
    assert not page.get("detail").is_displayed()
    assert page.driver.switch_to.active_element.get_attribute("id") == "row-1"
    page.driver.back()
    page.until(lambda: page.get("detail").is_displayed())


def test_the_page_says_when_listen_has_ended(opened: Callable[..., Page]) -> None:
    page = opened()
    page.listening.deliver(BODY)
    page.until(lambda: page.rows())
    assert page.listening.end() == (0, "")
    page.until(lambda: "Not connected" in page.text("state"))
    assert page.rows(), "what was shown stays"
    page.driver.get("about:blank")
    page.problems()
