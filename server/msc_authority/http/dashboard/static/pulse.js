// Says when the values are from, and beats: where it is silent, the page says so.
export default {
  template: `<p class="pulse"><i aria-hidden="true"></i>as of <time class="num" :datetime="iso">{{ at }}</time> UTC</p>`,
  props: { at: String, iso: String, monotonic: Number },
  mounted() {
    this.beat();
  },
  updated() {
    this.beat();
  },
  methods: {
    beat() {
      if (this.monotonic === this.last) return;
      this.last = this.monotonic;
      window.msc.beat(this.monotonic, this.at);
    },
  },
};
