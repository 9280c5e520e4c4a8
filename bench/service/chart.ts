/** Draws a small self-contained SVG with one bar for each value. */
export interface Bar {
  readonly label: string;
  readonly value: number;
}

const escape = (text: string): string => text.replace(/[&<>]/g, (sign) => `&#${sign.charCodeAt(0)};`);

/** @param panels each has a title with its unit, its bars, and a scale of its own. */
export function renderChart(
  panels: readonly { readonly title: string; readonly bars: readonly Bar[] }[],
): string {
  const rowHeight = 22;
  const parts: string[] = [];
  let y = 8;
  for (const { title, bars } of panels) {
    const most = Math.max(...bars.map(({ value }) => value), 1e-9);
    y += 20;
    parts.push(`<text x="8" y="${y}" font-weight="bold">${escape(title)}</text>`);
    y += 6;
    for (const { label, value } of bars) {
      const width = Math.max(1, Math.round((value / most) * 380));
      parts.push(`<text x="8" y="${y + 15}">${escape(label)}</text>`);
      parts.push(`<rect x="150" y="${y + 3}" width="${width}" height="15" fill="#4a7ab5"/>`);
      parts.push(
        `<text x="${156 + width}" y="${y + 15}">${value.toLocaleString("en", { maximumFractionDigits: 1 })}</text>`,
      );
      y += rowHeight;
    }
  }
  const style = 'font-family="sans-serif" font-size="13"';
  return `<svg xmlns="http://www.w3.org/2000/svg" width="640" height="${y + 12}" ${style}><rect width="100%" height="100%" fill="#fff"/>${parts.join("")}</svg>\n`;
}
