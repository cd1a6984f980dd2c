"""Pixels of a chart."""

from playwright.sync_api import Page

_COUNT = """(name) => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(() => {
  const text = getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const wanted = [1, 3, 5].map((start) => parseInt(text.slice(start, start + 2), 16));
  let count = 0;
  for (const canvas of document.querySelectorAll(".chart-box canvas")) {
    if (canvas.width && canvas.height) {
      const copy = new OffscreenCanvas(canvas.width, canvas.height).getContext("2d", { willReadFrequently: true });
      copy.drawImage(canvas, 0, 0);
      const { data } = copy.getImageData(0, 0, canvas.width, canvas.height);
      for (let i = 0; i < data.length; i += 4) {
        count += wanted.every((value, channel) => data[i + channel] === value) && data[i + 3] === 255 ? 1 : 0;
      }
    }
  }
  resolve(count);
})))"""


def chart_pixels(page: Page, color: str) -> int:
    """Return the number of the chart's pixels of a color of the style sheet, such as "--yes"."""
    page.locator(".chart-box canvas").first.wait_for()
    count: int = page.evaluate(_COUNT, color)
    return count
