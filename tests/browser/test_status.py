"""The page /explore/status."""

import csv
import json
import re
from typing import Any

from playwright.sync_api import Locator, Page, Route, expect

from tests.browser.page_clock import REFRESH_MS, install_clock, pause_before_refresh
from tests.browser.service import Service


def test_complete_data_is_said_in_words(page: Page, service: Service) -> None:
    page.goto(service.url + "/explore/status")
    live = page.locator(".card", has=page.get_by_role("heading", name="Live markets"))
    expect(live).to_contain_text("Complete. All markets that are not settled were last confirmed")
    expect(live.get_by_role("link")).to_have_text(re.compile(r"^[\d,]+ markets$"))
    expect(page.locator(".card", has=page.get_by_role("heading", name="Archive"))).to_contain_text("omplete")


def test_chart_has_the_counts_of_the_api(page: Page, service: Service) -> None:
    status = _frozen_status(page, service)
    page.goto(service.url + "/explore/status")
    rows = page.get_by_role("table", name="Markets by status").locator("tbody tr")
    expect(rows).to_have_count(len(status["statuses"]))
    for row, expected in zip(rows.all(), status["statuses"], strict=True):
        expect(row.get_by_role("link")).to_have_attribute("href", f"/explore?status={expected['status']}")
        expect(row.get_by_role("cell").first).to_have_text(f"{expected['count']:,}")
    widths = [float(bar.get_attribute("width") or 0) for bar in page.locator(".chart rect").all()]
    largest = max(range(len(widths)), key=lambda row: status["statuses"][row]["count"])
    assert widths[largest] == 100


def test_every_job_has_a_row(page: Page, service: Service) -> None:
    status = _frozen_status(page, service)
    page.goto(service.url + "/explore/status")
    names = [job["job"] for job in status["jobs"]]
    expect(_jobs(page).locator("code")).to_have_text(names)
    expect(_job(page, "live/open")).to_contain_text("Open markets: prices and volumes")
    expect(_job(page, "live/open").locator("[data-health]")).to_have_text("healthy")


def test_failing_late_and_first_jobs_are_marked(page: Page, service: Service) -> None:
    status = _status(page, service)
    jobs = {job["job"]: job for job in status["jobs"]}
    jobs["live/open"] |= {"last_error": "The exchange returned 503.", "failed_at": "2026-01-01T00:00:00Z"}
    jobs["settled"]["lag_seconds"] = 700
    jobs["series"]["lag_seconds"] = 3 * 3600 - 1
    jobs["archive"] |= {"confirmed_at": None, "finished_at": None, "lag_seconds": None, "running": True}
    jobs["archive"]["position"] = {"pages": 1234, "series": "KXLADDER"}
    jobs["settled/backlog"] |= {"running": True, "lag_seconds": 10**7}
    jobs["settled/backlog"]["position"] = {
        "from": "2026-01-01T00:00:00Z",
        "to": "2026-01-02T00:00:00Z",
        "until": "2026-02-01T00:00:00Z",
    }
    page.route(service.url + "/status", lambda route: route.fulfill(json=status))
    page.goto(service.url + "/explore/status")
    marks = {"live/open": "failing", "settled": "late", "series": "healthy", "archive": "first pass"}
    for name, mark in (marks | {"settled/backlog": "healthy"}).items():
        expect(_job(page, name).locator("[data-health]")).to_have_text(mark)
    expect(_job(page, "live/open")).to_contain_text("The exchange returned 503.")
    expect(_job(page, "live/open")).to_contain_text("next request in the next run")
    expect(_job(page, "archive")).to_contain_text("1,234 pages read, series KXLADDER")
    expect(_job(page, "settled/backlog")).to_contain_text("settlements from Jan 1, 2026")
    expect(_job(page, "settled")).to_contain_text("12 min")
    expect(page.get_by_text("The last complete pass is older than three times")).to_be_visible()


def test_rejects_and_drift_are_listed(page: Page, service: Service) -> None:
    status = _status(page, service)
    time = "2026-01-01T00:00:00Z"
    reason = "close_time is invalid: <b>" + "x" * 400
    status["rejects"] = {"count": 1200, "newest": [{"ticker": "KXODD-1", "reason": reason, "last_at": time}]}
    drift = {"member": "shiny", "change": "added", "markets": 12, "example": {"a": 1}}
    status["drift"] = [drift | {"first_at": time, "last_at": time}]
    page.set_viewport_size({"width": 360, "height": 800})
    page.route(service.url + "/status", lambda route: route.fulfill(json=status))
    page.goto(service.url + "/explore/status")
    expect(page.get_by_text("1,200 markets could not be stored.")).to_be_visible()
    expect(page.get_by_role("link", name="KXODD-1")).to_have_attribute("href", "/explore/markets/KXODD-1")
    expect(page.get_by_text(reason)).to_be_visible()
    row = page.get_by_role("table", name="Changes of the exchange's objects").locator("tbody tr")
    expect(row).to_contain_text("new field")
    expect(row).to_contain_text('{"a":1}')
    assert page.evaluate("document.documentElement.scrollWidth") <= 360


def test_nothing_rejected_and_no_drift_are_said(page: Page, service: Service) -> None:
    status = _status(page, service) | {"rejects": {"count": 0, "newest": []}, "drift": []}
    page.route(service.url + "/status", lambda route: route.fulfill(json=status))
    page.goto(service.url + "/explore/status")
    expect(page.get_by_text("Every market that the crawler read is stored.")).to_be_visible()
    expect(page.get_by_text("exactly the fields and values that its documentation lists")).to_be_visible()


def test_first_crawl_has_its_progress(page: Page, service: Service) -> None:
    status = _status(page, service)
    status["live"] = {"complete": False, "started_at": None, "finished_at": None}
    for job in status["jobs"]:
        if job["job"] in ("live/open", "live/unopened"):
            job |= {"confirmed_at": None, "finished_at": None, "lag_seconds": None}
            job |= {"running": True, "position": {"pages": 20}}
    page.route(service.url + "/status", lambda route: route.fulfill(json=status))
    page.goto(service.url + "/explore/status")
    expect(page.get_by_text("The first crawl is running.")).to_be_visible()
    expect(page.get_by_text("2 of 4 listings of live markets are complete.")).to_be_visible()
    assert page.get_by_role("progressbar").evaluate("bar => [bar.value, bar.max]") == [2, 4]
    expect(page.get_by_text("The running passes have read 40 pages.")).to_be_visible()


def test_database_unavailable_is_said_and_can_be_retried(quiet_page: Page, service: Service) -> None:
    quiet_page.route(service.url + "/status", _unavailable)
    quiet_page.goto(service.url + "/explore/status")
    expect(quiet_page.get_by_role("alert")).to_contain_text("The database is unavailable. The database is starting.")
    quiet_page.unroute_all()
    quiet_page.get_by_role("button", name="Retry").click()
    expect(quiet_page.get_by_role("table", name="Jobs of the crawler")).to_be_visible()


def test_status_is_refreshed_each_minute_and_a_failure_keeps_it(quiet_page: Page, service: Service) -> None:
    installed_at = install_clock(quiet_page)
    sent: list[str] = []
    quiet_page.on("request", lambda request: sent.append(request.url) if request.url.endswith("/status") else None)
    quiet_page.goto(service.url + "/explore/status")
    expect(_jobs(quiet_page).first).to_be_visible()
    sent.clear()
    pause_before_refresh(quiet_page, installed_at)
    assert sent == []
    quiet_page.route(service.url + "/status", _unavailable)
    quiet_page.clock.run_for(REFRESH_MS)
    expect(quiet_page.get_by_role("alert")).to_contain_text("The database is starting.")
    expect(_jobs(quiet_page).first).to_be_visible()


def test_status_csv_has_the_jobs(page: Page, service: Service) -> None:
    status = _frozen_status(page, service)
    page.goto(service.url + "/explore/status")
    with page.expect_download() as download:
        page.get_by_role("button", name="CSV of jobs").click()
    with download.value.path().open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["job"] for row in rows] == [job["job"] for job in status["jobs"]]
    assert list(rows[0]) == list(status["jobs"][0])


def _status(page: Page, service: Service) -> Any:
    return page.request.get(service.url + "/status").json()


def _frozen_status(page: Page, service: Service) -> Any:
    """Return the present status, which the page receives too."""
    status = _status(page, service)
    page.route(service.url + "/status", lambda route: route.fulfill(json=status))
    return status


def _jobs(page: Page) -> Locator:
    return page.get_by_role("table", name="Jobs of the crawler").locator("tbody tr")


def _job(page: Page, name: str) -> Locator:
    return _jobs(page).filter(has=page.get_by_text(name, exact=True))


def _unavailable(route: Route) -> None:
    body = {"detail": "The database is starting.", "code": "database_unavailable", "hint": "Retry.", "request_id": "r"}
    route.fulfill(status=503, content_type="application/json", body=json.dumps(body))
