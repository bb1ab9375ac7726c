import { echarts } from "nicegui-echart";

// Draws what the server made of equity and policies, in the colours of the theme that is on.
const THOUSANDS = new Intl.NumberFormat("en-US", { maximumFractionDigits: 2 });

function coloured(value) {
  if (typeof value === "string" && value.startsWith("@")) return window.msc.colour(value.slice(1));
  if (Array.isArray(value)) return typeof value[0] === "number" ? value : value.map(coloured);
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, coloured(inner)]));
}

// A band too narrow for its name goes without: its colour and its marks still tell.
const NAME_PX = 72;
function withNames(options, width) {
  const [equity] = options.series;
  const times = equity.data.map(([at]) => at);
  const perPx = (Math.max(...times) - Math.min(...times)) / Math.max(1, width);
  for (const [start, end] of equity.markArea.data) start.label.show = end.xAxis - start.xAxis >= NAME_PX * perPx;
  return options;
}

function withWords(options) {
  for (const axis of options.yAxis) axis.axisLabel.formatter = (value) => THOUSANDS.format(value) + axis.axisLabel.unit;
  options.tooltip.backgroundColor = window.msc.colour("card");
  options.tooltip.borderColor = window.msc.colour("border");
  options.tooltip.textStyle = { color: window.msc.colour("text"), fontSize: 12 };
  options.tooltip.formatter = (found) => words(found, options.series);
  return options;
}

function words(found, series) {
  const at = new Date(found[0].axisValue).toISOString().slice(0, 16).replace("T", " ");
  const lines = found.map((one) => {
    const unit = series[one.seriesIndex].unit ?? "";
    if (one.seriesType === "scatter") return `Policy ${echarts.format.encodeHTML(one.name)}`;
    return `${one.seriesName} ${one.value[1] === null ? "unknown" : THOUSANDS.format(one.value[1]) + unit}`;
  });
  return [`${at} UTC`, ...lines].join("<br>");
}

export default {
  template: `<div class="chart" role="img" :aria-label="summary"></div>`,
  props: { options: String, summary: String },
  mounted() {
    this.redraw = () => this.draw();
    this.sizes = new ResizeObserver(() => this.resize());
    this.sizes.observe(this.$el);
    window.addEventListener("msc-theme", this.redraw);
  },
  updated() {
    this.draw();
  },
  beforeUnmount() {
    window.removeEventListener("msc-theme", this.redraw);
    this.sizes.disconnect();
    this.drawn?.dispose();
  },
  methods: {
    resize() {
      if (this.$el.clientWidth === 0) return;
      this.drawn?.resize();
      this.draw();
    },
    draw() {
      if (this.$el.clientWidth === 0) return;
      this.drawn ??= echarts.init(this.$el, null, { renderer: "canvas" });
      const found = JSON.parse(this.options);
      const { left, right } = found.grid[0];
      const options = withNames(coloured(found), this.$el.clientWidth - left - right);
      this.drawn.setOption(withWords(options), { replaceMerge: ["series"] });
    },
  },
};
