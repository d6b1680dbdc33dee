"""The pages in a real browser: headless Chromium, from a file, light and dark, on a desk, on a phone and on paper."""

from __future__ import annotations

import base64
import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from test_simulation_figures import sweep_frame

import mice_sim as ms
from mice_sim.report.build import build
from mice_sim.report.referee import judge
from mice_sim.report.sweep import build_sweep
from mice_sim.study.config import compose
from mice_sim.study.run import run_study
from mice_sim.study.store import Store
from mice_sim.study.summary import summarise

pytestmark = pytest.mark.browser

DESK, PHONE = 1200, 390
READABLE = 4.5  # WCAG 2.2, 1.4.3: the contrast of text
PAGES = ["study", "sweep", "assessment"]

# Every piece of text that is seen, with its colour and that of the ground it stands on (WCAG's relative luminance).
CONTRASTS = """
const channel = c => (c /= 255) <= .04045 ? c / 12.92 : ((c + .055) / 1.055) ** 2.4;
const luminance = ([r, g, b]) => .2126 * channel(r) + .7152 * channel(g) + .0722 * channel(b);
const parse = text => {
  const n = (text.match(/[\\d.]+/g) || [0, 0, 0, 0]).map(Number);
  return n.length > 3 ? n : [...n, 1];
};
const over = (top, ground) => [0, 1, 2].map(i => top[i] * top[3] + ground[i] * (1 - top[3]));
function ground(element) {
  const layers = [];
  for (let e = element; e; e = e.parentElement) layers.push(parse(getComputedStyle(e).backgroundColor));
  return layers.reverse().reduce((below, layer) => over(layer, below), [255, 255, 255]);
}
function cell(text) {  // what a label in a figure stands on, if it is more than the page
  const box = text.getBoundingClientRect();
  text.scrollIntoView({block: "center", inline: "center"});
  const now = text.getBoundingClientRect();
  const under = document.elementsFromPoint(now.x + now.width / 2, now.y + now.height / 2)
    .filter(e => e.tagName === "path" && getComputedStyle(e).fill !== "none");
  return under.length ? parse(getComputedStyle(under[0]).fill) : null;
}
const found = [], walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (walker.nextNode()) {
  const element = walker.currentNode.parentElement, words = walker.currentNode.textContent.trim();
  if (!words || element.closest("script, style, .unseen, details:not([open])")) continue;
  const style = getComputedStyle(element), svg = element.closest("svg");
  if (style.visibility === "hidden" || style.display === "none") continue;
  const colour = parse(svg ? style.fill : style.color);
  if (colour[3] === 0) continue;  // repeated labels, for those who hear the page
  let behind = ground(svg ? svg.parentElement : element);
  if (svg) { const tint = cell(element); if (tint) behind = over(tint, behind); }
  const [a, b] = [luminance(over(colour, behind)), luminance(behind)].sort((x, y) => y - x);
  found.push([(a + .05) / (b + .05), words.slice(0, 40)]);
}
return found;
"""


@dataclass(frozen=True)
class Browser:
    """Chromium with what the tests ask of it."""

    driver: webdriver.Chrome

    def open(
        self, page: Path, width: int = DESK, dark: bool = False, paper: bool = False, mobile: bool = False
    ) -> None:
        scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        self.command("Emulation.setEmulatedMedia", media="print" if paper else "", features=scheme)
        self.command("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=mobile)
        self.logs("browser"), self.logs("performance")
        self.driver.get(page.as_uri())

    def command(self, name: str, **given: Any) -> Any:
        return self.driver.execute_cdp_cmd(name, given)

    def logs(self, kind: str) -> list[dict[str, Any]]:
        return self.driver.get_log(kind)  # type: ignore[attr-defined]

    def run(self, script: str, *arguments: Any) -> Any:
        return self.driver.execute_script(script, *arguments)

    def all(self, selector: str) -> list[WebElement]:
        return self.driver.find_elements(By.CSS_SELECTOR, selector)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or "chromium is not installed"
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    service = Service(shutil.which("chromedriver") or "chromedriver is not installed")
    driver = webdriver.Chrome(options=options, service=service)
    yield Browser(driver)
    driver.quit()


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Each page alone in a folder: nothing lies beside it that it could read."""
    folder = tmp_path_factory.mktemp("pages")
    made = {"study": study_page(folder / "a"), "sweep": sweep_page(folder / "b"), "assessment": assessment_page(folder)}
    alone = {name: folder / name / "page.html" for name in made}
    for name, page in made.items():
        alone[name].parent.mkdir()
        shutil.copy(page, alone[name])
    return alone


def study_page(folder: Path) -> Path:
    config = compose(["experiment=volker_vink_2021", "replicates=12", "execution=serial", f"output={folder}"])
    run_study(config)
    store = Store(folder)
    summary = summarise(store, 12, 5)
    return build(folder, judge(summary, store.config()), summary)


def sweep_page(folder: Path) -> Path:
    axes = {"data.n": [50, 200], "synthesis.m": [5, 10]}
    frame = sweep_frame(axes, ["sample", "cart"], ["x", "y"])
    pairs = frame.assign(difference=frame["estimate"], unpaired=frame["mcse"], ratio=np.linspace(1, 3, len(frame)))
    folder.mkdir()
    return build_sweep(folder, "A sweep", axes, frame, pairs)


def assessment_page(folder: Path) -> Path:
    boys = ms.load_dataset("boys_complete")
    sets = ms.synthesize(boys, m=1, seed=1)
    found = ms.assess(sets, boys, keys=["age", "reg"], formulas="hgt ~ age + phb", quick=True)
    return found.to_html(folder / "assessment.html")


@pytest.mark.parametrize("name", PAGES)
def test_the_page_alone_asks_for_nothing_and_complains_of_nothing(browser, pages, name):
    browser.open(pages[name])
    assert [entry["message"] for entry in browser.logs("browser")] == []
    events = [json.loads(entry["message"])["message"] for entry in browser.logs("performance")]
    asked = [e["params"]["request"]["url"] for e in events if e["method"] == "Network.requestWillBeSent"]
    assert asked == [pages[name].as_uri()]
    assert pages[name].stat().st_size < 3_000_000


@pytest.mark.parametrize("name", PAGES)
def test_every_figure_is_drawn_and_named(browser, pages, name):
    browser.open(pages[name])
    figures = browser.run("""return [...document.querySelectorAll("figure svg")].map(svg => {
      const box = svg.getBoundingClientRect(), paths = [...svg.querySelectorAll("path")].map(path => path.getBBox());
      return [box.width, box.height, paths.filter(b => b.width + b.height > 0).length,
              svg.getAttribute("role"), svg.getAttribute("aria-label").length];
    })""")
    assert len(figures) == len(browser.all("figure")) > 2
    for width, height, paths, role, words in figures:
        assert width > 300
        assert height > 60
        assert paths > 5
        assert role == "img"
        assert words > 40


@pytest.mark.parametrize("name", PAGES)
def test_headings_tables_and_language_are_in_order(browser, pages, name):
    browser.open(pages[name])
    levels = browser.run('return [...document.querySelectorAll("h1,h2,h3,h4,h5,h6")].map(h => +h.tagName[1])')
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    assert browser.run("return document.documentElement.lang") == "en"
    for table in browser.all("table"):
        assert browser.run("return arguments[0].caption.textContent", table).strip()
        assert browser.run('return [...arguments[0].querySelectorAll("th")].every(th => th.scope)', table)
    ids = browser.run('return [...document.querySelectorAll("[id]")].map(e => e.id)')
    assert len(ids) == len(set(ids))
    targets = browser.run("""return [...document.querySelectorAll('a[href^="#"]')].map(a => a.hash.slice(1))""")
    assert set(targets) <= set(ids)


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("dark", [False, True])
def test_all_text_stands_out_from_its_ground(browser, pages, name, dark):
    browser.open(pages[name], dark=dark)
    paper = browser.run("return getComputedStyle(document.body).backgroundColor")
    assert paper == ("rgb(24, 24, 23)" if dark else "rgb(255, 255, 255)")
    found = browser.run(CONTRASTS)
    assert len(found) > 200
    assert [(round(contrast, 2), words) for contrast, words in found if contrast < READABLE] == []


@pytest.mark.parametrize("name", PAGES)
def test_on_a_phone_only_boxes_scroll_sideways(browser, pages, name):
    browser.open(pages[name], PHONE, mobile=True)
    assert browser.run("return [document.documentElement.scrollWidth, innerWidth]") == [PHONE, PHONE]
    boxes = browser.run("""return [...document.querySelectorAll(".scroll")].filter(box => box.offsetParent).map(box =>
      [box.getBoundingClientRect().right, box.scrollWidth > box.clientWidth, getComputedStyle(box).overflowX])""")
    assert all(right <= PHONE for right, _, _ in boxes)
    assert any(wider for _, wider, _ in boxes)
    assert {overflow for _, wider, overflow in boxes if wider} == {"auto"}
    browser.run("scrollTo(500, 0)")
    assert browser.run("return scrollX") == 0


@pytest.mark.parametrize("name", PAGES)
def test_on_paper_nothing_is_cut_off_and_a_dark_screen_prints_black_on_white(browser, pages, name):
    browser.open(pages[name], width=720, dark=True, paper=True)  # as wide as A4 within its margins
    assert browser.run("return getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert browser.run("return getComputedStyle(document.body).color") == "rgb(0, 0, 0)"
    wide = browser.run("""return [...document.querySelectorAll(".scroll")].filter(box => !box.closest("details"))
      .filter(box => box.scrollWidth > innerWidth).map(box => box.textContent.slice(0, 40))""")
    assert wide == []
    file = base64.b64decode(
        browser.command("Page.printToPDF", printBackground=True, paperWidth=8.27, paperHeight=11.69)["data"]
    )
    assert file.startswith(b"%PDF")
    assert len(re.findall(rb"/Type\s*/Page\b", file)) > 2


# ---- sorting


def column_of(browser: Browser, table: WebElement, column: int) -> list[str]:
    texts = browser.run(
        "return [...arguments[0].tBodies[0].rows].map(row => row.cells[arguments[1]].textContent)", table, column
    )
    return [text.strip() for text in texts]


def numbers(texts: list[str]) -> list[float]:
    return [float(re.match(r"[−\d.]+", text)[0].replace("−", "-")) for text in texts]


def test_a_table_sorts_by_its_numbers_when_its_header_is_clicked(browser, pages):
    browser.open(pages["study"])
    table = browser.driver.find_element(By.CSS_SELECTOR, '[aria-labelledby="table-linear"] table')
    header = table.find_elements(By.CSS_SELECTOR, "thead tr:last-child th")[4]
    before, button = column_of(browser, table, 0), header.find_element(By.CSS_SELECTOR, "[role]")
    states = []
    for _ in range(3):
        button.click()
        states.append((header.get_attribute("aria-sort"), column_of(browser, table, 4)))
    assert [state for state, _ in states] == ["ascending", "descending", "none"]
    values = [numbers(texts) for _, texts in states]
    assert values[0] == sorted(values[0])
    assert values[1] == sorted(values[0], reverse=True)
    assert column_of(browser, table, 0) == before
    assert values[0] != values[2]


def test_a_table_sorts_by_keyboard_and_by_words(browser, pages):
    browser.open(pages["assessment"])
    table = browser.driver.find_element(By.CSS_SELECTOR, '[aria-label="Numbers by column"] table')
    first, second = table.find_elements(By.CSS_SELECTOR, "thead th [role]")[:2]
    browser.run("arguments[0].focus()", first)
    browser.driver.switch_to.active_element.send_keys(Keys.ENTER)
    names = column_of(browser, table, 0)
    assert names == sorted(names)
    browser.driver.switch_to.active_element.send_keys(Keys.TAB)
    assert browser.driver.switch_to.active_element == second
    browser.driver.switch_to.active_element.send_keys(Keys.SPACE)
    kinds = column_of(browser, table, 1)
    assert kinds == sorted(kinds)
    states = [th.get_attribute("aria-sort") for th in table.find_elements(By.CSS_SELECTOR, "thead th")]
    assert states[:2] == ["none", "ascending"]


def test_what_is_missing_stays_last_and_totals_stay_below(browser, pages):
    browser.open(pages["study"])
    performance = browser.driver.find_element(By.CSS_SELECTOR, '[aria-labelledby="performance-linear"] table')
    names = [th.text for th in performance.find_elements(By.CSS_SELECTOR, "thead th")]
    column = next(i for i in range(len(names)) if "–" in column_of(browser, performance, i))
    button = performance.find_elements(By.CSS_SELECTOR, "thead th")[column].find_element(By.CSS_SELECTOR, "[role]")
    for _ in range(2):
        button.click()
        texts = column_of(browser, performance, column)
        assert texts.index("–") == len(texts) - texts.count("–")
    counts = browser.driver.find_element(By.CSS_SELECTOR, "table.counts")
    counts.find_elements(By.CSS_SELECTOR, "[role=button]")[1].click()
    assert counts.find_elements(By.CSS_SELECTOR, "tr")[-1].text.startswith("All")


# ---- from a number to its rows


def test_a_number_opens_the_row_behind_it_and_the_line_that_reads_it(browser, pages):
    browser.open(pages["study"])
    link = browser.all('[aria-labelledby="table-linear"] tbody tr:nth-child(2) td a')[2]
    row = browser.driver.find_element(By.CSS_SELECTOR, link.get_attribute("hash"))
    assert not row.is_displayed()
    browser.run("arguments[0].click()", link)
    assert row.is_displayed()
    assert [cell.text for cell in row.find_elements(By.CSS_SELECTOR, "th, td")][:3] == ["synthetic", "age", "estimate"]
    top = browser.run("return arguments[0].getBoundingClientRect().top", row)
    assert 0 < top < 900
    line = browser.driver.find_element(By.CSS_SELECTOR, "#rows ~ pre").text
    wanted = {"analysis": "linear", "source": "synthetic", "term": "age", "statistic": "estimate"}
    assert dict(re.findall(r'\("(\w+)", "==", "(\w+)"\)', line)) == wanted
